"""Find how many entries a cache may have, where it says so. Runs in a leak round's worker.

A cache that is not full yet grows with requests as a leak does.
"""

from collections import deque
from functools import _lru_cache_wrapper
from typing import Any

from pytest_cowmem.zygote.trace import namespaces

# What jinja2, cachetools, Django and others call it, an underscore or a class's name before it.
_OF_INSTANCES = ("capacity", "maxsize", "max_size", "maxlen", "max_entries")
_OF_MODULES = ("_MAXCACHE",)  # re


def bound_of(value: Any, holder: Any) -> int:
    """The most entries that a container can have; 0 where nothing says so.

    `holder` is what it was reached from: a module's namespace, an instance, or its dictionary.
    """
    if type(value) is _lru_cache_wrapper:
        return _lru_cache_wrapper.cache_info(value).maxsize or 0
    if type(value) is deque:
        return value.maxlen or 0
    if type(holder) is dict:
        is_module = any(vars(module) is holder for _, module in namespaces.loaded())
        return _said(holder, _OF_MODULES if is_module else _OF_INSTANCES)
    return _said(namespaces.of_instance(holder), _OF_INSTANCES)


def _said(space: "dict[Any, Any]", names: "tuple[str, ...]") -> int:
    """The number that a namespace has under a name that ends so."""
    for key, value in namespaces.named(space).items():
        if type(value) is int and key.endswith(names):
            return value
    return 0
