"""A Flask shop in which requests leave something behind, each view in another place.

The line to be told has its view's name in a comment.
"""

import json
import logging
import re
import threading
import weakref
from collections import OrderedDict, deque
from functools import cache, lru_cache, partial, wraps
from typing import ClassVar

from flask import Flask, g, render_template
from jinja2 import FunctionLoader
from leaky_state import REGISTRY, SEEN, STATE, keep

app = Flask(__name__)
app.jinja_loader = FunctionLoader(lambda name: f"hello {name}")
HITS = {}
BOUNDED = {}
LOG = ""
JOURNAL = bytearray()
ROWS = ()
GREETING = ["hello"]
CARDS = OrderedDict()
ORDERS = []
BY_NUMBER = weakref.WeakValueDictionary()
CHAIN = None


class Cart:
    def __init__(self):
        self.lines = []

    def add(self, item):
        self.lines.append(item)  # deep


class Slotted:
    __slots__ = ("queue",)

    def __init__(self):
        self.queue = deque()


REGISTRY["carts"] = {"ada": Cart()}
REGISTRY["slotted"] = [None, Slotted()]


class Order:
    def __init__(self, number):
        self.number, self.after = number, None


class Model:
    registry: ClassVar = {}


@cache  # cached
def priced(number):
    return f"{number:064}"


@lru_cache(maxsize=300)  # bound
def rounded(number):
    return f"{number:064}"


def remember(function):
    results = {}

    @wraps(function)
    def remembering(number):
        results[number] = function(number)  # closure
        return results[number]

    return remembering


@remember
def tax(number):
    return bytes(number % 7 + 64)


def next_number():
    STATE["number"] += 1
    return STATE["number"]


@app.get("/<what>")
def view(what):
    VIEWS[what](next_number())
    return "ok"


def seen(number):
    SEEN.append(b"%064d" % number)  # seen


def through(number):
    keep(b"%064d" % number)  # through


def deep(number):
    REGISTRY["carts"]["ada"].add(b"%064d" % number)


def slotted(number):
    REGISTRY["slotted"][1].queue.append(str(number) * 30)  # slotted


def per_path(number):
    HITS.setdefault(f"/{number % 9}", []).append(b"%064d" % number)  # per_path


def bounded(number):
    if number < 30:
        BOUNDED[number] = bytes(2_000)


def bounded_and_seen(number):
    bounded(number)
    seen(number)


def text(number):
    global LOG
    LOG += f"request {number:050}\n"  # text


def journal(number):
    JOURNAL.extend(b"%050d" % number)  # journal


def rows(number):
    global ROWS
    ROWS = (*ROWS, f"{number:064}")  # rows


def registered(number):
    Model.registry[number] = type(f"Model{number}", (Model,), {})  # registered


def handlers(number):
    logging.getLogger("shop").addHandler(logging.StreamHandler())  # handlers


def cards(number):
    CARDS[number] = {"number": str(number)}  # cards


def cached(number):
    priced(number)


def bound(number):
    rounded(number)


def weakly(number):
    order = Order(number)
    ORDERS.append(order)  # weakly
    BY_NUMBER[number] = order


def named(number):
    HITS[f"/{number:080}"] = 1  # named


def patterns(number):
    re.compile(f"{number}+")  # patterns


def closure(number):
    tax(number)


def chain(number):
    global CHAIN
    order = Order(number)
    order.after, CHAIN = CHAIN, order


def cycles(number):
    order = Order(number)
    order.after = order


def threads(number):
    threading.Thread(target=partial(STATE["done"].wait), daemon=True).start()  # threads


def in_thread(number):
    thread = threading.Thread(target=in_thread_fill, args=(number,))
    thread.start()
    thread.join()


def in_thread_fill(number):
    SEEN.append(b"%064d" % number)  # in_thread


def imports_late(number):
    "x".encode("punycode")
    json.dumps(number)
    seen(number)


def attribute(number):
    vars(app).setdefault("orders", []).append(Order(number))  # attribute


def templates(number):
    render_template(f"{number}.html")  # templates


def nothing(number):
    g.order = Order(number)


VIEWS = {name: value for name, value in list(globals().items()) if callable(value)}


def make():
    """A factory: nothing but the server refers to its app."""
    made = Flask("made")
    made.extensions["orders"] = {"open": []}

    @made.get("/order")
    def order():
        made.extensions["orders"]["open"].append(Order(next_number()))  # made
        return "ok"

    return made
