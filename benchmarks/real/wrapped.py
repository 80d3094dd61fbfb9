"""The project's app with a function that is called before each request. Runs in the zygote.

Celery's tasks are called, and not requested, so the function is called before each task there.
"""

import importlib
import sys
from configparser import ConfigParser
from functools import wraps

ini = ConfigParser()
ini.read("pytest.ini")
module, _, name = ini["pytest"]["cowmem_app"].partition(":")
inner = getattr(importlib.import_module(module), name)


def wrapped(before):
    """Return the app; `before` is called at each request or task."""
    if "tasks" in sys.modules:
        tasks = sys.modules["tasks"]
        tasks.perform = _after(before, tasks.perform)
    return _after(before, inner)


def _after(before, function):
    @wraps(function)
    def wrapper(*args):
        before()
        return function(*args)

    return wrapper
