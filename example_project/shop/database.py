"""The shop's two SQLite files, in the instance folder: the catalogue and the orders."""

import sqlite3
from contextlib import closing
from pathlib import Path

INSTANCE = Path(__file__).resolve().parent.parent / "instance"
CATALOGUE = INSTANCE / "catalogue.sqlite"
ORDERS = INSTANCE / "orders.sqlite"


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection. Each request opens its own, since a fork must not inherit one."""
    return sqlite3.connect(path)


def create_orders() -> None:
    """Make the database of orders if it does not exist."""
    with closing(connect(ORDERS)) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS orders"
            " (id INTEGER PRIMARY KEY, customer, product, quantity, price)"
        )


def add_order(customer: str, lines: list[tuple[int, int, int]]) -> int:
    """Store an order's lines (product, quantity, price), and return the last one's number."""
    with closing(connect(ORDERS)) as connection, connection:
        for line in lines:
            cursor = connection.execute(
                "INSERT INTO orders (customer, product, quantity, price) VALUES (?, ?, ?, ?)",
                (customer, *line),
            )
        return cursor.lastrowid
