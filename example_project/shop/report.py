"""The stock report: a tree of category, price band and product, added up from its leaves."""

from contextlib import closing

from shop.database import CATALOGUE, connect

EVERY = 3  # the report is a sample of the products
BAND = 10_000


class Node:
    """A part of the tree.

    Parent and children refer to each other, so only the garbage collector can free them.
    """

    __slots__ = ("children", "parent", "value")

    def __init__(self, parent=None):
        self.parent = parent
        self.children = None
        self.value = 0

    def child(self, name):
        """Return the child of that name, which is made if it does not exist."""
        if self.children is None:
            self.children = {}
        if name not in self.children:
            self.children[name] = Node(self)
        return self.children[name]

    def add(self, value):
        """Add to this node and to all nodes above it."""
        node = self
        while node is not None:
            node.value += value
            node = node.parent


def stock_report():
    """Return the value of the stock in cents, by category and price band."""
    root = Node()
    with closing(connect(CATALOGUE)) as connection:
        rows = connection.execute(
            "SELECT id, category, price, stock FROM products WHERE id % ? = 0", (EVERY,)
        )
        for number, category, price, stock in rows:
            band = price // BAND * BAND
            root.child(category).child(band).child(number).add(price * stock)
    report = {}
    for name, category in root.children.items():
        report[name] = {band: node.value for band, node in category.children.items()}
    return report
