"""Run the tests against one mutant; exit code 0 when all pass.

The folders of tests that most likely notice the mutant come first. Runs in the copy that
mutants/run makes, where cosmic-ray has changed one file of the package.
"""

import os
import subprocess
import sys
from pathlib import Path

FOLDERS = ("unit", "runs", "forks", "programs")
# Folder of the package -> test folders that exercise it most; a module of no folder is `runs`'.
NEAREST = {
    "cli": ("unit",),
    "explain": ("unit", "forks"),
    "host": ("unit", "forks"),
    "judge": ("unit", "runs"),
    "model": ("unit", "runs"),
    "report": ("unit", "runs"),
    "zygote": ("unit", "forks"),
}


def changed_files() -> list[Path]:
    """The files that differ from the commit: the mutated one, or none in a run without a mutant."""
    command = ["git", "diff", "--name-only", "--", "pytest_cowmem"]
    return [Path(line) for line in subprocess.check_output(command, text=True).splitlines()]


def folders_for(files: list[Path]) -> list[str]:
    """All test folders, the nearest to the files first."""
    near = [name for file in files for name in NEAREST.get(file.parts[1], ("runs",))]
    return list(dict.fromkeys([*near, *FOLDERS]))


def forget_compiled(files: list[Path]) -> None:
    """Delete the files' bytecode: Python takes it for current within one second and size."""
    for file in files:
        for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
            compiled.unlink()


def passes(folder: str) -> bool:
    """Whether the tests of a folder pass."""
    options = ["--exitfirst", "--quiet", "--tb=no", "--numprocesses=2", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, f"tests/{folder}"]
    return subprocess.run(command, check=False).returncode == 0


def main() -> int:
    # cosmic-ray sets it; the example's baseline is of processes that read bytecode.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    files = changed_files()
    forget_compiled(files)
    try:
        return 0 if all(passes(folder) for folder in folders_for(files)) else 1
    finally:
        forget_compiled(files)


if __name__ == "__main__":
    sys.exit(main())
