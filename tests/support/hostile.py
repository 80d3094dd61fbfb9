"""Objects that must not be asked anything: each special method raises, and notes its call."""

import sys
from types import ModuleType
from typing import Any

CALLED: list[str] = []
SPARED = {
    "__qualname__",
    "__classcell__",
    "__new__",
    "__init__",
    "__class__",
    "__dict__",
    "__doc__",
    "__slots__",
    "__init_subclass__",
    "__set_name__",
    "__weakref__",
}


def special_names() -> "set[str]":
    bases = (
        object,
        type,
        int,
        str,
        list,
        dict,
        set,
        tuple,
        BaseException,
        ModuleType,
        property,
        memoryview,
    )
    return {name for base in bases for name in dir(base) if name.startswith("__")} - SPARED


def refusal(name: str) -> Any:
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        CALLED.append(name)
        raise RuntimeError(f"{name} was called")

    return refuse


def refusals() -> "dict[str, Any]":
    refusing: dict[str, Any] = {name: refusal(name) for name in special_names()}
    refusing["__class__"] = property(refusal("__class__"))
    return refusing


Meta: Any = type("Meta", (type,), refusals())
BASES = (object, dict, list, int, str, set, tuple, BaseException, ModuleType)
CLASSES = [type.__new__(Meta, f"Hostile{base.__name__}", (base,), refusals()) for base in BASES]
OBJECTS = [base.__new__(cls) for base, cls in zip(BASES, CLASSES, strict=True)]

# Texts that are no plain strings, where Python itself accepts them, and one among a module's names.
Text: Any = type(
    "Text", (str,), refusals() | {name: str.__dict__[name] for name in ("__hash__", "__str__")}
)


class Model:
    """A class that says it is of a module whose name is no plain string."""


Model.__module__ = Text("hostile")
Model.__qualname__ = Text("Model")
MODEL = Model()


def keep(kept: "list[int]" = []) -> None:  # noqa: B006
    """A function of such a module, with such a name, and with defaults that are no plain tuple."""


keep.__qualname__ = Text("keep")
keep.__defaults__ = type("Defaults", (tuple,), refusals())(([],))
OTHER = ModuleType("hostile_other")
OTHER.__file__ = Text("/hostile.py")
vars(OTHER)[Text("__file__")] = vars(OTHER).pop("__file__")
if "pytest" not in sys.modules:  # where hypothesis, for one, looks at all modules
    sys.modules |= {"hostile_module": OBJECTS[-1], "hostile_other": OTHER}
CALLED.clear()


def touch() -> None:
    """Nothing to do here."""


def told() -> "list[str]":
    """The special methods that were called."""
    return CALLED
