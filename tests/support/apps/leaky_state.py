"""What the leaky shop keeps, in a module of its own."""

import threading

SEEN = []
REGISTRY = {}
STATE = {"number": 0, "done": threading.Event()}


def keep(item):
    SEEN.append(item)
