"""False alarms: the unchanged example, again and again, with address randomisation on and off, idle and loaded. Red verdicts must be 0."""

import argparse
import ctypes
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from common import busy, show

EXAMPLE = Path(__file__).parent.parent / "example_project"
PERSONALITY = {"x86_64": 135, "aarch64": 92}  # the system call's number


def refuse_personality() -> None:
    """Refuse personality(2) from here on, as Docker's default seccomp profile does, so that randomisation stays on."""
    load, equal, give, errno, allow = (
        0x20,
        0x15,
        0x06,
        0x00050001,
        0x7FFF0000,
    )  # linux/filter.h, linux/seccomp.h
    steps = [
        (load, 0, 0, 0),
        (equal, 0, 1, PERSONALITY[platform.machine()]),
        (give, 0, 0, errno),
        (give, 0, 0, allow),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
    )
    libc = ctypes.CDLL(None)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(
        22, 2, program
    ):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        raise OSError("seccomp was refused")


def run(folder: Path, randomised: bool, *options: str) -> tuple[int, str]:
    """The exit code of one run of the example, and what it printed."""
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


def main(runs: int) -> None:
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "example")
        shutil.copytree(
            EXAMPLE,
            folder,
            ignore=shutil.ignore_patterns("__pycache__", "instance", "cowmem-baseline.json"),
        )
        run(folder, False, "--cowmem-update")
        code, text = run(folder, False, "--cowmem-update")
        assert code == 0, text
        for randomised in (False, True):
            for name, load in (
                ("idle", nullcontext()),
                ("loaded", busy(2 * (os.cpu_count() or 1))),
            ):
                with load:
                    found = [run(folder, randomised) for _ in range(runs)]
                red = [
                    line
                    for _, text in found
                    for line in text.splitlines()
                    if line.startswith("FAILED")
                ]
                rows.append(
                    ["on" if randomised else "off", name, runs, sum(code != 0 for code, _ in found)]
                )
                for line in red:
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
