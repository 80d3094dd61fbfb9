"""The built-in master, the zygote, as the pytest process sees it. Runs in the pytest process."""

import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from pytest_cowmem.host import answers, procfs
from pytest_cowmem.host.output import Outputs
from pytest_cowmem.host.preforked import Pair
from pytest_cowmem.host.waiting import ended
from pytest_cowmem.model.app import App, parse_target
from pytest_cowmem.model.errors import AppFailed, CannotMeasure, ZygoteDied
from pytest_cowmem.model.facts import Facts
from pytest_cowmem.model.units import render
from pytest_cowmem.zygote import messages, pauses, process, start, wire

# Nanoseconds of the collection of pauses.calibrate() on the reference machine. It took 1.8 to
# 2.2 ms on an AMD EPYC, CPython 3.10 to 3.13.
REFERENCE_NS = 2_000_000
# The shell's notes to itself, and pytest's own variables. They differ from run to run, and their
# strings would lie on the zygote's heap.
_NOT_INHERITED = ("_", "COLUMNS", "LINES", "OLDPWD", "SHLVL")
_FOLDER = "COWMEM_FOLDER"
_PYTESTS_OWN = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_XDIST_")


class Zygote:
    """A running zygote with its app preloaded: host/preforked.py says what its attributes are."""

    module = "pytest_cowmem.zygote"  # what it executes
    called = "zygote"

    def __init__(
        self,
        app: App,
        rootdir: Path,
        path: Sequence[str],
        timeout: float,
        seed: int = 0,
        bytecode: str = "",
        own: Sequence[str] = (),
        raw: bool = False,
        gc_speed: int = 0,
        folder: str = "",
    ) -> None:
        """Start it. `wait_for_app` comes next. Each `seed` is a layout; 0 has no ballast.

        `bytecode` is a folder for the byte code that cannot be written beside the source. `own`
        is as in host/preforked.py. One that is `raw` does not come to rest before it forks, and
        molds are what it forks. `gc_speed` is as in model/facts.py; 0 has it timed. The app is told
        of `folder`, where nothing else writes.
        """
        self.app = app
        self.own = tuple(own)
        self.ready = False
        self._compiling = 0  # resident anonymous bytes of a start without byte code
        self._outputs = Outputs()
        fd = os.memfd_create("pytest-cowmem")
        os.ftruncate(fd, pauses.TABLE_BYTES)
        self._shared = mmap.mmap(fd, pauses.TABLE_BYTES)
        self.table = pauses.table_in(self._shared)
        pauses.clear(self.table)
        self._control, far = socket.socketpair()
        self._control.settimeout(timeout)
        environ = _environment(app, folder)
        with far:
            self._process = self._execute(rootdir, far, environ)
        folders = [str(rootdir), *path, *app.pythonpath]
        if app.functions:
            folders.append(app.functions[1])
        self._start = self._first_message(folders, seed, bytecode, environ, raw, gc_speed)
        self._table_fd = fd
        self._send(self._start, fd)

    def _execute(
        self, rootdir: Path, far: socket.socket, environ: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        with process.fixed_addresses():
            return subprocess.Popen(
                # -P: it lists the root folder, whose files vary, only when it is told to.
                [sys.executable, "-P", "-m", self.module, "start"],
                env={name: value for name, value in environ.items() if start.read_at_exec(name)},
                cwd=rootdir,
                stdin=far.fileno(),
                stdout=self._outputs.stdout,
                stderr=self._outputs.stderr,
                start_new_session=True,  # Ctrl-C is for pytest, which then ends its zygotes
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def _first_message(
        self,
        path: list[str],
        seed: int,
        bytecode: str,
        environ: Mapping[str, str],
        raw: bool,
        gc_speed: int,
    ) -> wire.Message:
        target, factory = parse_target(self.app.target)
        config = {
            "target": target,
            "factory": factory,
            "interface": self.app.interface,
            "path": path,
            "preload": tuple(self.app.preload),
            "functions": self.app.functions and self.app.functions[0],
            "prepare": self.app.prepare,
            "after_fork": self.app.after_fork,
            "gc": self.app.gc,
            "seed": seed,
            "bytecode": bytecode,
            "raw": raw,
            "gc_speed": gc_speed,
            "environ": (
                tuple(map(os.fsencode, environ)),
                tuple(map(os.fsencode, environ.values())),
            ),
        }
        if self.app.tree:
            config["tree"] = True
        return messages.START, config

    def wait_for_app(self) -> None:
        """Wait until the app is loaded. AppFailed, or ZygoteDied when it ends on its own."""
        try:
            while isinstance(answer := self._receive(), answers.Again):
                self._compiling = max(self._compiling, answer.compiling)
                self._send(self._start, self._table_fd)
            if isinstance(answer, answers.Failed):
                raise AppFailed(_not_preloaded(self.app.target, *answer))
            assert isinstance(answer, answers.Started)
        except BaseException:
            self.close()
            raise
        self.facts = Facts.of(**answer.facts)
        size = procfs.anonymous(self.pid) - self.facts.ballast
        self.size = round(size / procfs.PAGE) * procfs.PAGE
        self.mapped = procfs.mapped(self.pid)
        self.gc_scale = REFERENCE_NS / self.facts.gc_speed
        self.ready = True

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how it differs from the master that production would start here."""
        if not self._compiling:
            return ()
        more = render(max(self._compiling - self.size, 0), "bytes")
        return (
            "byte code could not be written beside the source, and was kept elsewhere here: "
            f"a master that compiles at each start takes {more} more, and its workers differ; "
            "let production have byte code (python -m compileall)",
        )

    def _ask(self, message: wire.Message | bytes, *fds: int) -> answers.Answer:
        """Send a message, descriptors after it, and wait for the answer. ZygoteDied for none."""
        self._send(message, *fds)
        return self._receive()

    def _send(self, message: wire.Message | bytes, *fds: int) -> None:
        """Send a message, descriptors after it. A zygote that is gone is noticed by `_receive`."""
        with suppress(OSError):
            if isinstance(message, bytes):
                self._control.sendall(message)
            else:
                wire.send(self._control, message)
            if fds:
                socket.send_fds(self._control, [b"\0"], fds)

    def _receive(self) -> answers.Answer:
        try:
            return answers.named(wire.receive_message(self._control))
        except TimeoutError:
            self._process.kill()
            seconds = self._control.gettimeout()
            raise AppFailed(
                f"the {self.called} of {self.app.target!r} had not answered after {seconds:g} s, "
                "and was killed: mend what it waits for, or raise cowmem_timeout"
            ) from None
        except (OSError, EOFError):
            self._process.wait()
            raise self._died() from None

    def _died(self) -> ZygoteDied:
        how = ended(self._process.returncode)
        return ZygoteDied(
            f"the {self.called} of {self.app.target!r} {how}; the next test gets a new one"
        )

    def fork(self, kind: bytes = messages.MEASURED, fds: Sequence[int] = ()) -> Pair:
        """A new pair; host/preforked.py describes it."""
        pauses.clear(self.table)
        near, far = socket.socketpair()
        try:
            with far:
                self._send(kind, far.fileno(), *fds)
                if kind == messages.TRACED:  # told now, so that no other process has it on its heap
                    self._send((messages.OWN, self.own))
                forked = self._receive()
            if isinstance(forked, answers.Unknown):
                raise CannotMeasure(
                    f"cowmem_own names {forked.name!r}, a module that cannot be found: "
                    "correct the name, or add its folder to pythonpath"
                )
            assert isinstance(forked, answers.Forked)
        except BaseException:
            near.close()
            raise
        return Pair(forked.worker, forked.twin, near, forked.twin)

    def full_collection(self) -> answers.Collected:
        """What a full collection costs; host/preforked.py describes it. ZygoteDied without one."""
        collected = self._ask(messages.COLLECT)
        assert isinstance(collected, answers.Collected)
        return collected

    def ask_twin(self, kind: str, expected: type[answers.Expected]) -> answers.Expected:
        """What the twin of a traced worker answers. CannotMeasure where it raised."""
        answer = self._ask((kind,))
        if isinstance(answer, answers.Failed):
            raise CannotMeasure(
                f"drawing the app's objects raised {answer.line}: "
                f"please report this as a bug of pytest-cowmem\n\n{answer.traceback}"
            )
        assert isinstance(answer, expected)
        return answer

    def reap(self) -> int | None:
        """The exit code of the worker; its twin ends with it. ZygoteDied if the zygote has, too."""
        reaped = self._ask((messages.REAP,))
        assert isinstance(reaped, answers.Reaped)
        if not self.alive:  # the twin may answer in the moment before it follows
            raise self._died()
        return reaped.code

    def show_output(self) -> None:
        """Pass what the processes printed on to the running test's stdout and stderr."""
        self._outputs.show()

    def close(self) -> None:
        """End the zygote and whatever it or its workers left running; once is enough."""
        if self._shared.closed:
            return
        left = psutil.Process(self.pid).children(recursive=True) if self.alive else []
        self._process.kill()
        self._process.wait()
        self._control.close()  # not before: it would see that what it said was not read
        for child in left:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue
        self._outputs.close()
        os.close(self._table_fd)
        self.table.release()
        self._shared.close()


def _environment(app: App, folder: str) -> dict[str, str]:
    """The variables that an app gets; those of its own may name the folder."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_INHERITED and not name.startswith(_PYTESTS_OWN)
    }
    own = {name: value.replace(f"${_FOLDER}", folder) for name, value in app.env.items()}
    told = {_FOLDER: folder} if folder else {}
    return inherited | {"PYTHONHASHSEED": "0"} | told | own


def _not_preloaded(target: str, line: str, traceback: str) -> str:
    """Why an app could not be preloaded; `traceback` is `line` where no code of the app ran."""
    problem = f"the app {target!r} could not be preloaded: {line}"
    if traceback != line:
        return f"{problem}\n\n{traceback}"
    if line.startswith("ModuleNotFoundError: "):
        return f"{problem}; correct the name, or add its folder to pythonpath"
    return problem
