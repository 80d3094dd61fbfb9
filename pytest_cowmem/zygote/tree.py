"""Tell the pytest process before a worker, or a process below it, forks, signals or ends.

Runs in the worker of an app whose tree is measured, before it is ready; its zygote loads this
module, so that a worker touches few pages for it. The kernel does the telling: a seccomp filter
holds the system call until the holder of its listener has looked. Forks inherit it, and so do the
programs that they execute. Sources: seccomp(2), seccomp_unotify(2), and linux/seccomp.h, filter.h
and bpf_common.h.
"""

import ctypes
import errno
import os
import socket

from pytest_cowmem.zygote import messages, wire

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h: what a filter takes where the process is not root's
_SET_MODE_FILTER = 1
_FLAGS = 1 | 8 | 16  # TSYNC: all threads. NEW_LISTENER. TSYNC_ESRCH: both at once
_ALLOW, _TELL = 0x7FFF0000, 0x7FC00000  # SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF
_LOAD, _IF_EQUAL, _IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_CLONE_VM = 0x100  # a thread, or a vfork, after which no page is shared copy-on-write

FORK, END, KILL = "fork", "end", "kill"
# By machine: its number in linux/audit.h, and those of seccomp and clone in its asm/unistd.h.
_MACHINES = {"x86_64": (0xC000003E, 317, 56), "aarch64": (0xC00000B7, 277, 220)}
# What is told of, by number: what it does, and which argument is the signal. The flags of clone3
# are in memory, so that each one is told of.
CALLS = {
    "x86_64": {
        56: (FORK, 0),  # clone
        57: (FORK, 0),  # fork
        435: (FORK, 0),  # clone3
        231: (END, 0),  # exit_group
        62: (KILL, 1),  # kill
        129: (KILL, 1),  # rt_sigqueueinfo
        200: (KILL, 1),  # tkill
        234: (KILL, 2),  # tgkill
        297: (KILL, 2),  # rt_tgsigqueueinfo
        424: (KILL, 1),  # pidfd_send_signal
    },
    "aarch64": {
        220: (FORK, 0),
        435: (FORK, 0),
        94: (END, 0),
        129: (KILL, 1),
        138: (KILL, 1),
        130: (KILL, 1),
        131: (KILL, 2),
        240: (KILL, 2),
        424: (KILL, 1),
    },
}


class _Instruction(ctypes.Structure):
    """`struct sock_filter`: how many to skip where it is true, and where not."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("true", ctypes.c_uint8),
        ("false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def tell(sock: socket.socket) -> None:
    """Send the listener from `sock`'s worker, after the error number of having none, or 0."""
    listener, error = _listener()
    wire.send(sock, (messages.TELLING, error))
    if not error:
        socket.send_fds(sock, [b"\0"], [listener])
        os.close(listener)


def _listener() -> "tuple[int, int]":
    """(a descriptor, 0), or (-1, an error number)."""
    if _PROGRAM is None:
        return -1, errno.ENOSYS
    number, program = _PROGRAM
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = _libc.syscall(number, _SET_MODE_FILTER, _FLAGS, ctypes.byref(program))
    return listener, ctypes.get_errno() if listener < 0 else 0


def _program(machine: str) -> "tuple[int, _Program] | None":
    """The number of seccomp, and what it takes; None for a machine whose calls are not known."""
    if machine not in _MACHINES:
        return None
    architecture, number, clone = _MACHINES[machine]
    lines = _filter(architecture, clone, sorted(CALLS[machine].keys() - {clone}))
    instructions = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    return number, _Program(len(lines), instructions)


def _filter(
    architecture: int, clone: int, others: "list[int]"
) -> "list[tuple[int, int, int, int]]":
    """The filter's instructions. It tells of `others`, and of a `clone` that shares no memory.

    Calls of another architecture, as 32-bit programs make them, are let through.
    """
    count = len(others)
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 0, count + 6, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_EQUAL, count + 1, 0, clone),
        *((_IF_EQUAL, count - index + 2, 0, number) for index, number in enumerate(others)),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_SET, 1, 0, _CLONE_VM),
        (_RETURN, 0, 0, _TELL),
        (_RETURN, 0, 0, _ALLOW),
    ]


_PROGRAM = _program(os.uname().machine)
_libc = ctypes.CDLL(None, use_errno=True)
