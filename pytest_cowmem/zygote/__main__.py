"""The zygote's entry: `python -m pytest_cowmem.zygote STAGE`. Runs in the zygote.

Its standard input is its end of the control socket. The command line never differs from run to run,
in a descriptor's number for instance. Python keeps it on the heap, and one digit more moves what
comes after.
"""

import os
import socket
import sys

from pytest_cowmem.zygote import bytecode, master, process

FIRST_STAGE, SECOND_STAGE = "start", "again"  # of one length, for the same reason
_MODULE = "pytest_cowmem.zygote"


def main() -> None:
    process.die_with_parent(os.getppid())
    process.adopt_orphans()
    stage = sys.argv.pop()
    environ, folder = dict(os.environ), os.getcwd()
    control = socket.socket(fileno=os.dup(0))
    elsewhere = master.run(control, once_more=stage != SECOND_STAGE)
    if elsewhere is None:
        return
    os.environ.clear()  # it has more since then, and the app may have gone elsewhere
    os.environ.update(environ)
    os.chdir(folder)
    if elsewhere:
        bytecode.start_elsewhere(elsewhere, _MODULE, FIRST_STAGE)
    bytecode.start_over(_MODULE, SECOND_STAGE)


main()
