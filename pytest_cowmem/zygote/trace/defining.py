"""Find the module that a value belongs to, of those that have it. Runs in a leak round's worker.

`from shop.state import CARTS` gives a module what another one made. The source tells them apart.
"""

from types import ModuleType
from typing import Any

from pytest_cowmem.zygote.trace import namespaces


def defining(value: Any, otherwise: str) -> str:
    """The name of the module that made a value; of several, the shortest."""
    having = [
        (name, module)
        for name, module in namespaces.loaded()
        if any(other is value for other in namespaces.named(vars(module)).values())
    ]
    if len(having) < 2:
        return otherwise
    making = [name for name, module in having if not _imports(module, value)]
    names = making or [name for name, _ in having]
    return min(names, key=lambda name: (len(name), name))


def _imports(module: ModuleType, value: Any) -> bool:
    """Whether a module's source says that it imports all names under which it has a value."""
    import ast  # for what is named alone

    path = namespaces.special(vars(module), "__file__")
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, TypeError, SyntaxError, ValueError):  # no source
        return False
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names = [key for key, other in namespaces.named(vars(module)).items() if other is value]
    return all(name in imported or "*" in imported for name in names)
