"""The zygote's entry: `python -m pytest_cowmem.zygote CONTROL_FD TABLE_FD PARENT_PID [STAGE]`, exec'd by the plugin.

It turns address randomisation off and executes itself again, so that equal inputs give equal pages; then it preloads the app and forks
on request.
"""

import os
import socket
import sys

from pytest_cowmem.zygote import master, process


def main() -> None:
    control_fd, table_fd, parent = (int(word) for word in sys.argv[1:4])
    stage = sys.argv[4] if len(sys.argv) > 4 else "randomised"
    process.die_with_parent(parent)
    if stage == "randomised" and not process.addresses_are_fixed() and process.fix_addresses():
        again(control_fd, table_fd, parent, "fixed")
    for fd in (control_fd, table_fd):
        os.set_inheritable(fd, False)
    del sys.argv[1:]
    control = socket.socket(fileno=control_fd)
    if not master.run(control, table_fd, once_more=stage != "compiled"):
        again(control_fd, table_fd, parent, "compiled")


def again(control_fd: int, table_fd: int, parent: int, stage: str) -> None:
    """Start this program over in the same process, with the same interpreter options."""
    for fd in (control_fd, table_fd):
        os.set_inheritable(fd, True)
    options = sys.orig_argv[1 : sys.orig_argv.index("-m")]
    words = [str(word) for word in (control_fd, table_fd, parent, stage)]
    os.execv(sys.executable, [sys.executable, *options, "-m", "pytest_cowmem.zygote", *words])


main()
