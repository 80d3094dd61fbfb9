"""The shop's two SQLite files, in the instance folder: the catalogue and the orders."""

import sqlite3
from contextlib import closing
from pathlib import Path

INSTANCE = Path(__file__).resolve().parent.parent / "instance"
CATALOGUE = INSTANCE / "catalogue.sqlite"
ORDERS = INSTANCE / "orders.sqlite"


def connect(path: Path) -> sqlite3.Connection:
    """A new connection. One for each request: a connection must not be carried across a fork."""
    return sqlite3.connect(path)


def create_orders() -> None:
    """Make the orders' database, unless there is one."""
    with closing(connect(ORDERS)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer, product, quantity, price)")


def add_order(customer: str, lines: list[tuple[int, int, int]]) -> int:
    """Store an order's lines (product, quantity, price); the number of the last one."""
    with closing(connect(ORDERS)) as connection, connection:
        for line in lines:
            cursor = connection.execute("INSERT INTO orders (customer, product, quantity, price) VALUES (?, ?, ?, ?)", (customer, *line))
        return cursor.lastrowid
