"""sqlite-web on a database of two tables, which each worker gets anew."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_web.sqlite_web import app as app
from sqlite_web.sqlite_web import initialize_app

DATABASE = Path(__file__).with_name("library.db")


def fill():
    """Write the database."""
    DATABASE.unlink(missing_ok=True)
    with closing(sqlite3.connect(DATABASE)) as database, database:
        database.execute("pragma synchronous = off")
        database.execute("create table book (id integer primary key, title text, year integer)")
        database.execute("create table reader (id integer primary key, name text)")
        books = [(f"book number {number}", 1900 + number % 120) for number in range(2000)]
        database.executemany("insert into book (title, year) values (?, ?)", books)
        readers = [(f"reader {number}",) for number in range(100)]
        database.executemany("insert into reader (name) values (?)", readers)


def report():
    """What a page that few ask for would import."""
    import plistlib
    import xml.dom.minidom

    return plistlib.__name__, xml.dom.minidom.__name__


fill()
initialize_app([str(DATABASE)])
