"""The zygote's entry: `python -m pytest_cowmem.zygote STAGE`, exec'd by the plugin with its end of the control socket as standard input.

It preloads the app and forks on request. Nothing that differs from run to run, such as a descriptor's or a process's number, is on the
command line: Python keeps those strings on the heap, and one digit more moves what comes after.
"""

import os
import socket
import sys

from pytest_cowmem.zygote import master, process

AGAIN = "again"  # as long as the first stage, "start", for the same reason


def main() -> None:
    process.die_with_parent(os.getppid())
    process.adopt_orphans()
    stage = sys.argv.pop()
    environ, folder = dict(os.environ), os.getcwd()
    control = socket.socket(fileno=os.dup(0))
    if not master.run(control, once_more=stage != AGAIN):
        os.environ.clear()  # the app may have changed it, and gone elsewhere
        os.environ.update(environ)
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-m", "pytest_cowmem.zygote", AGAIN])


main()
