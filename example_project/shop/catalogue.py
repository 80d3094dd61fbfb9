"""The catalogue: 50,000 products, loaded once in the master and shared by its workers."""

import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from shop.database import CATALOGUE, connect

PER_CATEGORY = 2000
CATEGORIES = (
    "armchair basket bench blanket bookcase bowl cabinet candle carpet chair clock cup curtain "
    "cushion desk dresser kettle lamp mirror plate shelf sofa stool table vase"
)
COLOURS = "amber black blue brown cream green grey ivory olive orange pink red white yellow"
MATERIALS = "ash bamboo brass copper cotton glass leather linen oak pine steel stone wool"


@dataclass(slots=True)
class Product:
    """One product; the price is in cents."""

    id: int
    category: str
    name: str
    description: str
    price: int
    stock: int


def generate() -> Iterator[tuple[int, str, str, str, int, int]]:
    """Give the products' rows, the same every time."""
    colours, materials = COLOURS.split(), MATERIALS.split()
    number = 0
    for category in CATEGORIES.split():
        for _ in range(PER_CATEGORY):
            number += 1
            colour = colours[number % len(colours)]
            material = materials[number % len(materials)]
            name = f"{colour.title()} {material} {category} {number}"
            made = f"A {colour} {category} made of {material}"
            description = f"{made}, number {number} of our collection."
            price, stock = 500 + number * 7919 % 90_000, number * 31 % 200
            yield number, category, name, description, price, stock


def create() -> None:
    """Write the products to a new database, and put it in place in one step."""
    CATALOGUE.parent.mkdir(exist_ok=True)
    new = CATALOGUE.with_suffix(f".{os.getpid()}")
    new.unlink(missing_ok=True)
    with closing(sqlite3.connect(new)) as connection, connection:
        connection.execute(
            "CREATE TABLE products"
            " (id INTEGER PRIMARY KEY, category, name, description, price, stock)"
        )
        connection.executemany("INSERT INTO products VALUES (?, ?, ?, ?, ?, ?)", generate())
    new.replace(CATALOGUE)


class Catalogue:
    """All products in memory, found by number, by category and by word."""

    def __init__(self) -> None:
        with closing(connect(CATALOGUE)) as connection:
            rows = connection.execute(
                "SELECT id, category, name, description, price, stock FROM products ORDER BY id"
            )
            self.products = [Product(*row) for row in rows]
        self.by_id = {product.id: product for product in self.products}
        self.by_category: dict[str, list[Product]] = defaultdict(list)
        self.by_word: dict[str, list[Product]] = defaultdict(list)
        for product in self.products:
            self.by_category[product.category].append(product)
            for word in product.name.lower().split()[:3]:
                self.by_word[word].append(product)

    def page(self, number: int, size: int = 20) -> list[Product]:
        """Return one page of the product list; the first page is 1."""
        return self.products[(number - 1) * size : number * size]

    def search(self, text: str, most: int = 20) -> list[Product]:
        """Return products whose names have all the words of `text`."""
        words = set(text.lower().split())
        if not words:
            return []
        rarest = min((self.by_word.get(word, []) for word in words), key=len)
        found = (product for product in rarest if words <= set(product.name.lower().split()))
        return list(islice(found, most))

    def similar(self, product: Product, most: int = 5) -> list[Product]:
        """Return products of the same category, the nearest in price first."""
        others = [other for other in self.by_category[product.category] if other is not product]
        return sorted(others, key=lambda other: abs(other.price - product.price))[:most]
