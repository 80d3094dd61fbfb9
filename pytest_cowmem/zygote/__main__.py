"""The zygote's entry: `python -m pytest_cowmem.zygote STAGE`. Runs in the zygote.

Its standard input is its end of the control socket. The command line never differs from run to run,
in a descriptor's number for instance. Python keeps it on the heap, and one digit more moves what
comes after.
"""

import os
import socket
import sys

from pytest_cowmem.zygote import master, process

SECOND_STAGE = "again"  # as long as the first one, "start", for the same reason


def main() -> None:
    process.die_with_parent(os.getppid())
    process.adopt_orphans()
    stage = sys.argv.pop()
    environ, folder = dict(os.environ), os.getcwd()
    control = socket.socket(fileno=os.dup(0))
    if not master.run(control, once_more=stage != SECOND_STAGE):
        os.environ.clear()  # the app may have changed it, and gone elsewhere
        os.environ.update(environ)
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-m", "pytest_cowmem.zygote", SECOND_STAGE])


main()
