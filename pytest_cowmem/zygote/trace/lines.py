"""Charge minor page faults to the source lines that caused them.

    prepare()   in a fork of the zygote, which then forks the traced worker and becomes its twin
    hush()      in the twin, before it does anything else
    arm()       in the traced worker, first of all
    begin()     in the worker when it is ready
    mark()      in the worker when it has warmed up
    disarm()    in the worker at its end

The twin does what can be done before the worker is forked. A page that the worker touches before
it is ready would be missing from its figures. Nothing of this is loaded into a measured process.
"""

import _ctypes
import gc
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any

from pytest_cowmem.zygote.trace import namespaces, populate
from pytest_cowmem.zygote.trace.faults import Tracer
from pytest_cowmem.zygote.trace.monitoring import Monitoring
from pytest_cowmem.zygote.trace.settrace import Settrace

_REHEARSALS = 3
_ADDRESS_BYTES = 8

_events: "Monitoring | Settrace"
_tracer: Tracer
_mappings: "list[tuple[int, int]]"
_begun = 0


def prepare(roots: "list[str]", watch: int) -> None:
    """Make ready to listen. `roots` are the folders of the app's own code.

    `watch` is a socket: the number of each row of the log goes there once it is charged, and a byte
    comes back once the pytest process has looked at the worker's pages. What is allocated here does
    not bring the worker's first collection nearer: its counts start at zero when it is ready.
    """
    global _events, _tracer, _mappings
    collects = gc.isenabled()
    gc.disable()
    populate.use_small_pages()
    _mappings = populate.file_mappings()
    _rehearse(Tracer(roots))
    _tracer = Tracer(roots, watch)
    _tracer.rest()
    _events = Monitoring() if sys.version_info >= (3, 12) else Settrace()
    for code in loaded_code():
        _events.rewrite(code)
        _tracer.code(_tracer.thread(), code)
    _tracer.make_room()
    gc.callbacks.append(_on_collection)
    _events.start(_tracer)
    if collects:
        gc.enable()


def _rehearse(tracer: Tracer) -> None:
    """Run what the tracer itself runs, so that its own first faults come before the fork."""
    for _ in range(_REHEARSALS):
        tracer.attend()
        frame, thread = sys._getframe(0), tracer.thread()
        tracer.code(thread, frame.f_code)
        tracer.charge(thread, frame, frame.f_lineno, thread.last + 1)
        tracer.on_collection("start", {})
        tracer.on_collection("stop", {})


def loaded_code() -> "Iterator[CodeType]":
    """Every code object reachable from a module.

    Rewriting and numbering it here keeps that from being charged when it first runs. A fork looks
    for it, since the search would change this process's heap. Addresses are equal in both.
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
            found = int.from_bytes(address, "little")
            yield _ctypes.PyObj_FromPtr(found)  # type: ignore[attr-defined,unused-ignore]
    os.waitpid(pid, 0)


def _reachable_code() -> "list[CodeType]":
    codes, seen = [], {id(sys.modules)}
    batch: list[Any] = [sys.modules]
    while batch:
        following = []
        for value in gc.get_referents(*batch):
            if id(value) not in seen:
                seen.add(id(value))
                following.append(value)
                if type(value) is CodeType:
                    codes.append(value)
        batch = following
    return codes


def arm() -> int:
    """Start to listen; returns how many file mappings could not be populated."""
    refused = populate.populate(_mappings)
    _tracer.touch()
    _forget()
    return refused


def begin() -> None:
    """Forget what was charged so far, and tell each row from now on."""
    _forget()
    _tracer.be_watched(True)


def _forget() -> None:
    global _begun
    _begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    _tracer.attend()


def mark() -> None:
    """Keep what comes later apart, in what `disarm` returns."""
    _tracer.log.mark()


def listen() -> None:
    """Go on listening in the calling thread, if events stopped there."""
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
    """Stop, and return what was charged since `begin`:

    rows         [(row, collection, whether it came after the mark, page faults, app file, line,
                 function, library file, line, function, (outermost, innermost module imported))];
                 `collection` is as the log has it (faults.py)
    files        {file: module} of the files named
    collects     whether the collector is on
    unseen       faults that are in no row, nor the tracer's own: nobody listened in their thread,
                 or then
    """
    _tracer.settle()
    total = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - _begun
    _tracer.be_watched(False)
    hush()
    rows = [
        (row, collection, is_late, faults, *_tracer.stacks.named(key))
        for row, key, faults, collection, is_late in _tracer.log.rows()
    ]
    seen = sum(thread.own for thread in _tracer.threads) + sum(row[3] for row in rows)
    return {
        "rows": rows,
        "files": _modules_named(rows),
        "collects": gc.isenabled(),
        "unseen": max(0, total - seen),
    }


def app_code() -> "list[CodeType]":
    """The code objects of the app that ran."""
    return [code for code in _tracer.stacks.app_code() if _tracer.ran(code)]


def faults_by_line() -> "Counter[tuple[str, int]]":
    """The page faults since `begin`, by file and line: of the app, and of what it imported.

    Lines without any are left out.
    """
    counts = Counter[tuple[str, int]]()
    for _, key, number, collection, _ in _tracer.log.rows():
        if collection:
            continue
        path, line, _, library, library_line, *_ = _tracer.stacks.named(key)
        for file, at in ((path, line), (library, library_line)):
            if file is not None:
                counts[file, at] += number
    return counts


def is_app(path: str) -> bool:
    """Whether a file is the app's own."""
    return _tracer.stacks.is_app(path)


def _modules_named(rows: "Iterable[tuple[Any, ...]]") -> "dict[str, str]":
    """The modules that were loaded from the files of `rows`, by these files."""
    loaded = namespaces.files()
    modules = {}
    for row in rows:
        for path in (row[4], row[7]):
            if path in loaded:
                modules[path] = loaded[path][0]
    return modules
