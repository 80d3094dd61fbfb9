"""False alarms: the unchanged example is run again and again, and no verdict may be red.

Address randomisation is on or off, and the machine is idle or loaded.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from common import busy, show
from randomisation import refuse_personality

EXAMPLE = Path(__file__).parent.parent / "example_project"


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
