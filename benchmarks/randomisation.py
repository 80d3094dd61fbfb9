"""Keeps address randomisation on in a process. Runs in it, before it executes pytest."""

import ctypes
import platform
import struct

PERSONALITY = {"x86_64": 135, "aarch64": 92}  # the system call's number
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
ERRNO_1, ALLOW = 0x00050001, 0x7FFF0000  # linux/seccomp.h
SET_NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2  # linux/prctl.h, linux/seccomp.h


def refuse_personality() -> None:
    """Refuse personality(2) to this process from now on, so that randomisation stays on.

    Docker's default seccomp profile does the same.
    """
    steps = [
        (LOAD, 0, 0, 0),
        (EQUAL, 0, 1, PERSONALITY[platform.machine()]),
        (RETURN, 0, 0, ERRNO_1),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    header = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
    program = ctypes.create_string_buffer(header)
    libc = ctypes.CDLL(None)
    if libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, FILTER, program):
        raise OSError("seccomp was refused")
