"""Find the line of the app that fills a container.

Runs in a traced worker, and runs no foreign code itself.

A name alone says little, since many modules have a `_cache`. So code must lead to this container:

- by a global of its module that is this very object;
- by an attribute of a global that is what the container hangs on;
- by an attribute in a method of the class that the container hangs on;
- by an import inside the function, of the container or of its module.

Code that leads to it in another way is not looked at.
"""

from collections.abc import Iterator, Mapping
from functools import _lru_cache_wrapper
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from pytest_cowmem.zygote.trace import namespaces, structs
from pytest_cowmem.zygote.trace.monitoring import line_at
from pytest_cowmem.zygote.trace.objects import type_flags

_FILLING = {"append", "appendleft", "add", "setdefault", "update", "extend", "insert"}
_MAKING = ("STORE_GLOBAL", "STORE_NAME")
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", *_MAKING)
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")

FileLine = tuple[str, int]
Step = Any  # a dis.Instruction; dis is not loaded where nothing grew


class Container(NamedTuple):
    """A container, and a place where it hangs.

    `module` is the name of its module, `holder` the module, class or instance it hangs on. `code`
    is that of the function whose variable it is; there is no holder then.
    """

    name: str
    value: Any
    module: str
    holder: Any = None
    code: "CodeType | None" = None

    @property
    def variable(self) -> str:
        """The last of its name."""
        return self.name.rpartition(".")[2]


class Naming(NamedTuple):
    """A line that names a container: the code it is of, and whether it stores into something."""

    code: CodeType
    line: int
    stores: bool


class FillSearch:
    """Looks through `codes`, the app's that ran, where `faults` has the page faults of lines."""

    def __init__(self, codes: "list[CodeType]", faults: "Mapping[FileLine, int]") -> None:
        files = namespaces.files()
        self._faults = faults
        self._codes = [
            (code, files[code.co_filename][1]) for code in codes if code.co_filename in files
        ]
        self._globals: dict[int, dict[str, Any]] = {}
        self._steps: dict[int, list[Step]] = {}

    def filled_at(self, *places: Container) -> "FileLine | None":
        """(file, line) of what fills a container; None where several functions may do that.

        `places` are where it hangs. Of several lines of one function, it is the one with most page
        faults: what is new takes memory. None where no such line has any.
        A line that also stores into something goes before one that only names the container. What
        makes a new one stores the container itself, not into it.
        """
        if type(places[0].value) is _lru_cache_wrapper:
            return cached_function(places[0].value)
        namings: list[Naming] = []
        for place in places:
            namings += self._namings(place)
        storing = [naming for naming in namings if naming.stores]
        return self._only_place(storing or namings)

    def _only_place(self, namings: "list[Naming]") -> "FileLine | None":
        """The line that is meant, where all are of one function."""
        functions = {(code.co_filename, code.co_firstlineno) for code, _, _ in namings}
        if len(functions) != 1:
            return None
        places = {(code.co_filename, line) for code, line, _ in namings}
        if len(places) > 1:
            places &= self._faults.keys()
        return max(sorted(places), key=lambda place: self._faults.get(place, 0), default=None)

    def _namings(self, place: Container) -> "Iterator[Naming]":
        """The lines that lead to a container by where it hangs."""
        if place.code is not None:
            yield from self._in_own(place.code, place.variable)
            return
        methods = _methods(place.holder)
        for code, module in self._codes:
            yield from self._in_other(place, code, module, id(code) in methods)

    def _in_own(self, code: CodeType, variable: str) -> "Iterator[Naming]":
        """The lines where a function names a variable of its own."""
        steps = self._read(code)
        storing = _storing(code, steps)
        for step in steps:
            if variable in _names(step):
                line = line_at(code, ~step.offset)
                yield Naming(code, line, line in storing)

    def _in_other(
        self, container: Container, code: CodeType, module: ModuleType, is_method: bool
    ) -> "Iterator[Naming]":
        """The lines where a module's code names a container that is no variable of its own."""
        space = self._globals_of(module)
        own_names = {name for name, value in space.items() if value is container.value}
        variable = container.variable
        if own_names.isdisjoint(code.co_names) and variable not in code.co_names:
            return
        imports_it = container.module in code.co_names
        steps = self._read(code)
        storing = _storing(code, steps)
        previous = ""
        for step in steps:
            names = _names(step)
            if step.opname in _GLOBALS:
                leads = not own_names.isdisjoint(names)
            elif step.opname in _ATTRIBUTES:
                leads = variable in names and (
                    is_method
                    or space.get(previous) is container.holder
                    or (imports_it and previous == container.module.rpartition(".")[2])
                )
            else:
                leads = imports_it and variable in names
            if leads:
                line = line_at(code, ~step.offset)
                yield Naming(code, line, line in storing and step.opname not in _MAKING)
            previous = names[-1] if names else ""

    def _globals_of(self, module: ModuleType) -> "dict[str, Any]":
        space = self._globals.get(id(module))
        if space is None:
            space = self._globals[id(module)] = namespaces.named(vars(module))
        return space

    def _read(self, code: CodeType) -> "list[Step]":
        """The instructions of a code object."""
        steps = self._steps.get(id(code))
        if steps is None:
            import dis  # a large import, for what grew alone

            # dis asks constants how they look, which could run foreign code.
            blank = code.replace(co_consts=(None,) * len(code.co_consts))
            steps = self._steps[id(code)] = list(dis.get_instructions(blank))
        return steps


def cached_function(cached: Any) -> "FileLine | None":
    """The first line of the function whose results a `functools.cache` keeps."""
    function = namespaces.special(namespaces.of_instance(cached), "__wrapped__")
    if type(function) is not FunctionType:
        return None
    return function.__code__.co_filename, function.__code__.co_firstlineno


def _names(step: Step) -> "tuple[str, ...]":
    """What an instruction names; some name two."""
    if type(step.argval) is tuple:
        return tuple(name for name in step.argval if type(name) is str)
    return (step.argval,) if type(step.argval) is str else ()


def _storing(code: CodeType, steps: "list[Step]") -> "set[int]":
    """The lines that store into something."""
    return {line_at(code, ~step.offset) for step in steps if _stores(step)}


def _stores(step: Step) -> bool:
    return step.opname == "STORE_SUBSCR" or not _FILLING.isdisjoint(_names(step))


def _methods(holder: Any) -> "set[int]":
    """The id() of the code of each method of a class, or of an instance's."""
    if type(holder) is ModuleType:
        return set()
    cls = holder if type_flags(type(holder)) & structs.TYPE else type(holder)
    codes = set()
    for base in namespaces.mro(cls):
        for value in namespaces.of_class(base).values():
            if type(value) is FunctionType:
                codes.add(id(value.__code__))
    return codes
