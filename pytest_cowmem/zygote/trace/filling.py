"""Find the line of the app that fills a container. Runs in a traced worker; like `held`, it runs no foreign code.

A name alone says little, since many modules have a `_cache`. Code names a container for sure where a global of its module is that very
object, where it takes it from the module, class or instance that the container hangs on, or where it is a method of that class. It may
name it where it takes an attribute of that name from something else, in the same module, or from what is called as the module.
"""

from collections.abc import Iterator
from functools import _lru_cache_wrapper
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from pytest_cowmem.zygote.trace import namespaces, structs
from pytest_cowmem.zygote.trace.monitoring import line_at
from pytest_cowmem.zygote.trace.objects import type_flags

_FILLING = ("append", "appendleft", "add", "setdefault", "update", "extend", "insert")
_GLOBALS, _ATTRIBUTES, _MAKERS = (
    ("LOAD_GLOBAL", "LOAD_NAME"),
    ("LOAD_ATTR", "LOAD_METHOD"),
    ("STORE_GLOBAL", "STORE_NAME"),
)

Place = tuple[str, int]
Rank = tuple[bool, ...]  # the least is the best
Step = Any  # a dis.Instruction; dis is not loaded where nothing grew


class Found(NamedTuple):
    """A container, its name, its module's name, and the module, class or instance it hangs on; or the code whose variable it is."""

    name: str
    value: Any
    module: str
    holder: Any = None
    code: "CodeType | None" = None

    @property
    def variable(self) -> str:
        """The last of its name."""
        return self.name.rpartition(".")[2]


class Finder:
    """Looks through `codes`, the app's that ran."""

    def __init__(self, codes: "list[CodeType]") -> None:
        files = namespaces.files()
        self._codes = [
            (code, *files[code.co_filename]) for code in codes if code.co_filename in files
        ]
        self._globals: dict[int, dict[str, Any]] = {}
        self._steps: dict[int, list[Step]] = {}

    def filled_at(self, found: Found) -> "Place | None":
        """(file, line) of what fills a container, nothing where several functions may be what does.

        A line that also stores into something goes before one that only names it, naming it for sure before the rest, and the line that
        makes it comes last.
        """
        if type(found.value) is _lru_cache_wrapper:
            function = namespaces.special(namespaces.of_instance(found.value), "__wrapped__")
            return (
                (function.__code__.co_filename, function.__code__.co_firstlineno)
                if type(function) is FunctionType
                else None
            )
        if found.code:
            ranked = [
                (rank, found.code.co_filename, 0, line)
                for rank, line in self._in_own(found.code, found.variable)
            ]
        else:
            methods = _methods(found.holder)
            ranked = [
                (rank, code.co_filename, code.co_firstlineno, line)
                for code, name, module in self._codes
                for rank, line in self._in_others(found, code, name, module, id(code) in methods)
            ]
        best = [row for row in ranked if row[0] == min(ranked)[0]]
        (_, path, _, line), functions = (
            min(best, default=((), "", 0, 0)),
            {row[1:3] for row in best},
        )
        return (path, line) if len(functions) == 1 else None

    def _in_own(self, code: CodeType, variable: str) -> "Iterator[tuple[Rank, int]]":
        """(rank, line) of where a function names a variable of its own."""
        steps = self._read(code)
        storing = _storing(code, steps)
        for step in steps:
            if variable in _names(step):
                line = line_at(code, ~step.offset)
                yield (line not in storing,), line

    def _in_others(
        self, found: Found, code: CodeType, module: str, space: ModuleType, method: bool
    ) -> "Iterator[tuple[Rank, int]]":
        """(rank, line) of where code of a module names what it does not own."""
        globals_ = self._globals.get(id(space))
        if globals_ is None:
            globals_ = self._globals[id(space)] = namespaces.named(vars(space))
        mine = {name for name, value in globals_.items() if value is found.value}
        if mine.isdisjoint(code.co_names) and found.variable not in (
            *code.co_names,
            *code.co_varnames,
        ):
            return
        imports = found.module in code.co_names
        steps = self._read(code)
        storing = _storing(code, steps)
        before = ""
        for step in steps:
            names = _names(step)
            makes = step.opname in _MAKERS
            sure = (makes or step.opname in _GLOBALS) and not mine.isdisjoint(names)
            maybe = False
            if step.opname in _ATTRIBUTES and found.variable in names:
                sure = method or globals_.get(before) is found.holder
                maybe = (
                    module == found.module
                    if type(found.holder) is not ModuleType
                    else before == found.module.rpartition(".")[2]
                )
            elif imports and step.opname not in (*_GLOBALS, *_MAKERS):
                maybe = found.variable in names
            if sure or maybe:
                line = line_at(code, ~step.offset)
                yield (line not in storing, not sure, makes), line
            before = names[-1] if names else ""

    def _read(self, code: CodeType) -> "list[Step]":
        steps = self._steps.get(id(code))
        if steps is None:
            import dis

            blank = code.replace(
                co_consts=(None,) * len(code.co_consts)
            )  # dis asks constants how they look
            steps = self._steps[id(code)] = list(dis.get_instructions(blank))
        return steps


def _names(step: Step) -> "tuple[str, ...]":
    """What an instruction names; some name two."""
    if type(step.argval) is tuple:
        return tuple(name for name in step.argval if type(name) is str)
    return (step.argval,) if type(step.argval) is str else ()


def _storing(code: CodeType, steps: "list[Step]") -> "set[int]":
    """The lines that store into something."""
    return {
        line_at(code, ~step.offset)
        for step in steps
        if step.opname == "STORE_SUBSCR" or any(name in _FILLING for name in _names(step))
    }


def _methods(holder: Any) -> "set[int]":
    """The id() of the code of each method of a class, or of an instance's."""
    cls = holder if type_flags(type(holder)) & structs.TYPE else type(holder)
    if type(holder) is ModuleType:
        return set()
    return {
        id(value.__code__)
        for base in namespaces.mro(cls)
        for value in namespaces.of_class(base).values()
        if type(value) is FunctionType
    }
