"""Charge minor page faults to the source lines that caused them. Runs in a traced worker, and in the fork between it and the zygote.

    prepare(roots)   in a fork of the zygote, which then forks the traced worker and stays idle as its twin
    arm()            in the traced worker, first of all
    begin()          in the worker when it is ready
    mark()           in the worker when it has warmed up
    disarm()         in the worker at its end
    hush()           in the twin, before it does anything else

Whatever can be done beforehand is done in the fork between: a page that the worker touches before it is ready is missing from its figures.
Nothing of this is ever loaded into a process that is measured.
"""

import _ctypes
import gc
import os
import resource
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

from pytest_cowmem.zygote.trace import namespaces, populate, stacks
from pytest_cowmem.zygote.trace.faults import Tracer
from pytest_cowmem.zygote.trace.monitoring import Monitoring
from pytest_cowmem.zygote.trace.settrace import Settrace

_REHEARSALS = 3
_ADDRESS_BYTES = 8

_events: "Monitoring | Settrace"
_tracer: Tracer
_mappings: "list[tuple[int, int]]"
_begun = 0


def prepare(roots: "list[str]", counted: int) -> None:
    """Switch events on, with nobody listening yet. `roots` are the folders of the app's own code.

    `counted` is what `gc.get_count()` gave for the youngest generation before anything of this was loaded.

    Collects nothing, so that the worker's first collection comes when it would have come.
    """
    global _events, _tracer, _mappings
    collects = gc.isenabled()
    gc.disable()
    populate.use_small_pages()
    _mappings = populate.file_mappings()
    _rehearse(Tracer(roots))
    _tracer = Tracer(roots)
    _tracer.rest()
    _events = Monitoring() if sys.version_info >= (3, 12) else Settrace()
    for code in loaded_code():
        _events.rewrite(code)
        _tracer.code(_tracer.thread(), code)
    gc.callbacks.append(_on_collection)
    _events.start(_tracer)
    _tracer.delay(gc.get_count()[0] - counted)
    if collects:
        gc.enable()


def _rehearse(tracer: Tracer) -> None:
    """Run what the tracer itself runs, so that its own first faults lie here."""
    for _ in range(_REHEARSALS):
        tracer.attend()
        frame = sys._getframe(0)
        tracer.code(tracer.thread(), frame.f_code)
        tracer.charge(tracer.thread(), frame, frame.f_lineno, 0)
        tracer.on_collection("start", {})
        tracer.on_collection("stop", {})


def loaded_code() -> "Iterator[CodeType]":
    """Every code object reachable from a module. To rewrite it and get to know it would otherwise be charged when it first runs.

    A fork looks for it, since the search would leave this process with another heap than the zygote's; addresses are equal in both.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(reader)
            with open(writer, "wb") as pipe:
                for code in _reachable_code():
                    pipe.write(id(code).to_bytes(_ADDRESS_BYTES, "little"))
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        while address := pipe.read(_ADDRESS_BYTES):
            yield _ctypes.PyObj_FromPtr(int.from_bytes(address, "little"))  # type: ignore[attr-defined,unused-ignore]
    os.waitpid(pid, 0)


def _reachable_code() -> "list[CodeType]":
    found, seen = [], {id(sys.modules)}
    batch: list[Any] = [sys.modules]
    while batch:
        following = []
        for value in gc.get_referents(*batch):
            if id(value) not in seen:
                seen.add(id(value))
                following.append(value)
                if type(value) is CodeType:
                    found.append(value)
        batch = following
    return found


def arm() -> int:
    """Start to listen; how many file mappings could not be populated."""
    refused = populate.populate(_mappings)
    _tracer.touch()
    begin()
    return refused


def begin() -> None:
    """Forget what was charged so far."""
    global _begun
    _begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    _tracer.attend()


def mark() -> None:
    """Let `disarm` tell what came later apart."""
    _tracer.log.mark()


def listen() -> None:
    """Go on listening in the calling thread where that had ended."""
    _events.listen()


def _on_collection(phase: str, info: "dict[str, Any]") -> None:
    if phase == "start":
        _events.listen()
    _tracer.on_collection(phase, info)


def hush() -> None:
    """Listen no more."""
    _tracer.rest()
    _events.stop()
    if _on_collection in gc.callbacks:
        gc.callbacks.remove(_on_collection)


def disarm() -> "dict[str, Any]":
    """Stop, and tell what was charged since `begin`, in pages:

    lines        [(app file, line, function, library file, line, function, (outermost, innermost module imported), pages since the mark,
                 pages)], most first
    collections  [(generation, the same seven words of the line it came at, collections, pages)], most first
    files        {file: module} of the files named
    collects     whether the collector is on
    tracer       the tracer's own faults, as far as it saw them
    total        all minor faults of the process
    unseen       those of them that are in none of the others: nobody listened in their thread, or not then
    """
    total = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - _begun
    hush()
    lines: dict[stacks.Row, tuple[int, int]] = {}
    collections: dict[tuple[int, stacks.Row], tuple[int, int]] = {}
    for key, pages, late in _tracer.log.rows():
        row = _tracer.folder.named(key)
        before = lines.get(row, (0, 0))
        lines[row] = before[0] + pages * late, before[1] + pages
    for thread in _tracer.threads:
        for (generation, key), (times, pages) in thread.collections.items():
            place = generation, _tracer.folder.named(key)
            counted = collections.get(place, (0, 0))
            collections[place] = counted[0] + times, counted[1] + pages
    tracer = sum(thread.own for thread in _tracer.threads)
    seen = (
        tracer
        + sum(pages for _, pages in lines.values())
        + sum(pages for _, pages in collections.values())
    )
    return {
        "lines": sorted(((*row, *pages) for row, pages in lines.items()), key=lambda row: -row[-1]),
        "collections": sorted(
            ((number, *row, *counts) for (number, row), counts in collections.items()),
            key=lambda row: -row[-1],
        ),
        "files": _modules(
            {
                path
                for row in (*lines, *(row for _, row in collections))
                for path in (row[0], row[3])
                if path
            }
        ),
        "collects": gc.isenabled(),
        "tracer": tracer,
        "total": total,
        "unseen": max(0, total - seen),
    }


def app_code() -> "list[CodeType]":
    """The code objects of the app that ran."""
    return [code for code in _tracer.folder.app_code() if _tracer.ran(code)]


def is_app(path: str) -> bool:
    """Whether a file is the app's own."""
    return _tracer.folder.is_app(path)


def _modules(paths: "set[str]") -> "dict[str, str]":
    """The modules that were loaded from `paths`, by these."""
    loaded = namespaces.files()
    return {path: loaded[path][0] for path in paths if path in loaded}
