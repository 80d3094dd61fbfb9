"""False alarms: the unchanged example is run again and again, and no verdict may be red.

Address randomisation is on or off, and the machine is idle or loaded.
"""

import argparse
import ctypes
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from common import busy, show

EXAMPLE = Path(__file__).parent.parent / "example_project"
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


def run(folder: Path, randomised: bool, *options: str) -> tuple[int, str]:
    """Run the example once, and return its exit code and what it printed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--cowmem", *options]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=refuse_personality if randomised else None,
    )
    assert f"ASLR {'on' if randomised else 'off'}" in done.stdout, done.stdout
    return done.returncode, done.stdout


def copy_of_example(temporary: str) -> Path:
    """Copy the example into a folder, and make a baseline there."""
    folder = Path(temporary, "example")
    left_out = shutil.ignore_patterns("__pycache__", "instance", "cowmem-baseline.json")
    shutil.copytree(EXAMPLE, folder, ignore=left_out)
    run(folder, False, "--cowmem-update")
    code, text = run(folder, False, "--cowmem-update")
    assert code == 0, text
    return folder


def loads() -> Iterator[tuple[str, AbstractContextManager[None]]]:
    """Give the loads under which the example runs, each with its name."""
    yield "idle", nullcontext()
    yield "loaded", busy(2 * (os.cpu_count() or 1))


def main(runs: int) -> None:
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = copy_of_example(temporary)
        for randomised in (False, True):
            for name, load in loads():
                with load:
                    done = [run(folder, randomised) for _ in range(runs)]
                red = sum(code != 0 for code, _ in done)
                rows.append(["on" if randomised else "off", name, runs, red])
                for line in "".join(text for _, text in done).splitlines():
                    if line.startswith("FAILED"):
                        print(line, flush=True)
    show(
        "Red verdicts of the unchanged example; its baseline was made idle, with randomisation off",
        rows,
        ["randomisation", "machine", "runs", "red"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=50, help="runs of each of the four combinations (default: 50)"
    )
    main(parser.parse_args().runs)
