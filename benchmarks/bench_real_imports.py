"""What `cowmem imports` says of real packages, beside what plain processes grow by.

The witness has nothing of this project, and its anonymous memory is read from outside. For the
largest foreign package within, a witness first imports all that came before it. Each runs twice,
since the first may compile. Packages are put into a venv of each Python, and kept there: it takes
half a minute a Python from then on.
"""

import argparse
import json
import os
import subprocess
import sys

from common import show
from real_apps import BUILD, CHECKOUT, install

from pytest_cowmem.host import procfs
from pytest_cowmem.model.imports import Import

INSTALLED = ("pandas", "litellm", "boto3", "django", "psutil", "tabulate", "pytest", "httpx2")
MODULES = ("pandas", "litellm", "boto3", "django.contrib.admin")
# litellm asks a server for prices otherwise, and byte code is kept.
ENVIRON = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONDONTWRITEBYTECODE": ""}
WITNESS = """
import sys
*before, last = sys.argv[1:]
for name in before:
    try: __import__(name)
    except Exception: pass
print("now", flush=True), input()
__import__(last)
print("now", flush=True), input()
"""


def growth(python: str, *names: str) -> int:
    """Return the bytes that a process grows by in its last import."""
    command, pipe = [python, "-c", WITNESS, *names], subprocess.PIPE
    amounts = []
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=ENVIRON) as process:
        assert process.stdin
        assert process.stdout
        while line := process.stdout.readline():
            if line == b"now\n":
                amounts.append(procfs.anonymous(process.pid))
                process.stdin.write(b"\n")
                process.stdin.flush()
    return amounts[1] - amounts[0]


def told(python: str, module: str) -> Import:
    """Return what the command says."""
    command = [python, "-m", "pytest_cowmem.cli", "imports", module, "--json"]
    environ = ENVIRON | {"PYTHONPATH": str(CHECKOUT)}
    return Import.from_json(json.loads(subprocess.check_output(command, env=environ)))


def row(version: str, python: str, module: str) -> list[object]:
    """Return a line of the table."""
    growth(python, module)
    plain, found = growth(python, module), told(python, module)
    all_of_it = [one for _, one in found.walk(lambda one: one.bytes)]
    assert sum(one.own for one in all_of_it) == found.bytes
    own = ("", module.partition(".")[0])
    names = [name for name in in_order(found) if name.partition(".")[0] not in own]
    largest = max((one for one in all_of_it if one.module in names), key=lambda one: one.bytes)
    last = growth(python, *names[: names.index(largest.module) + 1])
    inner = [largest.module, *compared(last, largest.bytes)]
    return [version, module, len(all_of_it) - 1, *compared(plain, found.bytes), *inner]


def in_order(one: Import) -> list[str]:
    """Return the names of an import and of all within, as they began."""
    return [one.module, *(name for inner in one.within for name in in_order(inner))]


def compared(plain: int, said: int) -> list[float]:
    """Return both in MiB, and the difference in per cent of the first."""
    return [plain / 2**20, said / 2**20, 100 * (said - plain) / plain]


def main(pythons: list[str]) -> None:
    rows = []
    for python in pythons:
        version = subprocess.check_output([python, "-V"], text=True).split()[1]
        venv = BUILD.parent / "imports" / version
        executable = str(venv / "bin/python")
        subprocess.run([python, "-m", "venv", venv], check=True)
        install(executable, *INSTALLED)
        rows += [row(version, executable, module) for module in MODULES]
    sides = ["plain MiB", "said MiB", "%"]
    show("What imports cost", rows, ["CPython", "import", "imports", *sides, "within", *sides])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="*", default=[sys.executable], help="which")
    main(parser.parse_args().pythons)
