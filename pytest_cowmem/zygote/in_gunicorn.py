"""Be gunicorn's master: `python -m pytest_cowmem.zygote.in_gunicorn STAGE`. Runs in gunicorn.

It starts as a zygote does, so that all that is said of its environment holds here too. gunicorn is
imported when that is settled, and runs as ever from there (gunicorn_app.py).
"""

import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from pytest_cowmem.zygote import ballast, bytecode, master, messages, process, start, wire
from pytest_cowmem.zygote.errors import described

FIRST_STAGE, SECOND_STAGE = "start", "again"
_MODULE = "pytest_cowmem.zygote.in_gunicorn"


class Preloading:
    """What the pytest process has to know of this start, and when; `config` is its message.

    `kept` is the bytes of ballast, and `harness` names the modules that came before gunicorn.
    """

    def __init__(self, control: socket.socket, restart: "Callable[[str], NoReturn]") -> None:
        self.control = control
        self.restart = restart
        self.told = False
        self.begun = 0
        self.config: dict[str, Any] = wire.receive_message(control)[1]
        (self.table_fd,) = wire.receive_fds(control, 1)
        self.harness: list[str] = []
        self.kept = 0

    def settle(self) -> None:
        """Have the environment that is to be, and what is imported next where it always lies."""
        start.take_path(self.config["path"])
        start.take_environment(*self.config.pop("environ"))
        self.begun = time.time_ns()
        self.harness += sys.modules
        self.kept = start.settle() + ballast.keep(self.config["seed"])

    def look_for_byte_code(self, once_more: bool) -> None:
        """Start over where source was compiled, as a zygote does."""
        compiled, lacking = bytecode.since(self.begun)
        elsewhere = self.config["bytecode"] if lacking and not bytecode.is_elsewhere() else ""
        if elsewhere or (compiled and once_more):
            self.tell((messages.AGAIN, process.anonymous_bytes() if elsewhere else 0))
            self.restart(elsewhere)

    def started(self, collects: bool, preloads: bool) -> None:
        """Say that workers are forked next, and whether the user's configuration preloads."""
        master.leave_stdin()
        facts = master.facts(self.config, self.harness, self.kept, collects)
        self.tell((messages.STARTED, {**facts, "preloads": preloads}))
        self.told = True

    def failed(self, line: str, traceback: str) -> None:
        """Say why no worker will be, unless that is told already."""
        if not self.told:
            self.tell((messages.FAILED, line, traceback))
            self.told = True

    def tell(self, message: wire.Message) -> None:
        """Send the pytest process a message, what was printed first."""
        sys.stdout.flush()
        sys.stderr.flush()
        wire.send(self.control, message)


def main() -> None:
    """Run gunicorn until it is killed."""
    process.die_with_parent(os.getppid())
    process.adopt_orphans()
    once_more = sys.argv.pop() != SECOND_STAGE
    environ, folder = dict(os.environ), os.getcwd()

    def restart(elsewhere: str) -> NoReturn:
        os.environ.clear()  # it has more since then, and the app may have gone elsewhere
        os.environ.update(environ)
        os.chdir(folder)
        if elsewhere:
            bytecode.start_elsewhere(elsewhere, _MODULE, FIRST_STAGE)
        bytecode.start_over(_MODULE, SECOND_STAGE)

    preloading = Preloading(socket.socket(fileno=os.dup(0)), restart)
    preloading.settle()
    sys.argv[:] = ["gunicorn", preloading.config["app"]]
    try:
        from pytest_cowmem.zygote import gunicorn_app  # it imports gunicorn

        gunicorn_app.Master(preloading, once_more).run()
    except SystemExit as end:  # of an invalid configuration, for one
        said = f"gunicorn ended with code {end.code}: its log, in the captured stderr, says why"
        preloading.failed(said, said)
        raise
    except BaseException as error:
        preloading.failed(*described(error))
        raise


if __name__ == "__main__":
    main()
