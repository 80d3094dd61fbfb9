"""Real apps from PyPI, as new users would test them: their venvs, their folders, their runs.

Runs in the process of a benchmark. An app is a folder of benchmarks/real. Its name is also that of
the package it is made of.
"""

import hashlib
import json
import os
import random
import shutil
import string
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from randomisation import refuse_personality

CHECKOUT = Path(__file__).parent.parent
REAL = Path(__file__).parent / "real"
BUILD = CHECKOUT / "build" / "real"
APPS = sorted(path.parent.name for path in REAL.glob("*/requirements.txt"))
ALL = [REAL / app / "requirements.txt" for app in APPS]
BASELINE = "cowmem-baseline.json"
LONGEST = 900  # seconds that a run of pytest may take
RECORDINGS = 3  # of a baseline, at most
LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Python:
    """A measured Python: its version, and the executable of its venv."""

    version: str
    executable: str


@dataclass(frozen=True)
class Conditions:
    """Under what a run is made. `folders` names the ones it lies in, the outermost first.

    `files` are put into the root folder. `randomised` is whether addresses are.
    """

    environ: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ("project",)
    files: Sequence[str] = ()
    randomised: bool = False


@dataclass(frozen=True)
class Outcome:
    """One test of a run. `record` is pytest-cowmem's, None where nothing was measured."""

    test: str
    failed: bool
    text: str
    record: Mapping[str, Any] | None

    @property
    def sentence(self) -> str:
        """What is wrong: the first paragraph of the failure, without its notes."""
        return " ".join(self.text.partition("\n\n")[0].partition("\nnote: ")[0].split())

    @property
    def red(self) -> list[str]:
        """The metrics that failed the test; ["error"] where it failed for another reason."""
        if not self.failed:
            return []
        judgments = self.record["judgments"] if self.record else []
        wrong = ("over budget", "regressed", "noisy", "missing")
        return [one["metric"] for one in judgments if one["verdict"] in wrong] or ["error"]

    @property
    def layouts(self) -> int:
        """In how many layouts the test was measured."""
        amounts = self.record["measurement"]["layouts"].values() if self.record else ()
        return max(map(len, amounts), default=1)

    def value(self, metric: str) -> int | None:
        """What was measured, in the metric's unit."""
        return self.record["measurement"]["values"].get(metric) if self.record else None


def venv_of(python: str, name: str = "venv", requirements: Sequence[Path] = ALL) -> Python:
    """Make a Python's venv with apps and this checkout's plugin, or take it as it is."""
    ask = "import platform; print(platform.python_version())"
    version = subprocess.check_output([python, "-c", ask], text=True).strip()
    venv = BUILD / version / name
    executable = str(venv / "bin/python")
    if is_outdated(venv / "apps", requirements):
        subprocess.run([python, "-m", "venv", "--clear", venv], check=True)
        named = [option for path in requirements for option in ("-r", str(path))]
        install(executable, *named, str(CHECKOUT))
        note(venv / "apps", requirements)
    plugin = sorted(CHECKOUT.glob("pytest_cowmem/**/*.py"))
    if is_outdated(venv / "plugin", plugin):
        install(executable, "--no-deps", "--force-reinstall", str(CHECKOUT))
        note(venv / "plugin", plugin)
    return Python(version, executable)


def is_outdated(stamp: Path, files: Sequence[Path]) -> bool:
    """Whether the files are others than those the stamp was made for."""
    return not stamp.exists() or stamp.read_text() != digest(files)


def note(stamp: Path, files: Sequence[Path]) -> None:
    """Write down for which files something was made."""
    stamp.write_text(digest(files))


def digest(files: Sequence[Path]) -> str:
    """Return a digest of what the files hold."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def install(executable: str, *options: str) -> None:
    """Install packages into a venv. RuntimeError, with what pip printed, where it cannot."""
    command = [executable, "-m", "pip", "install", "--quiet", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def random_conditions(rng: random.Random, randomised: bool) -> Conditions:
    """Return an environment, a path and files in the root that mean nothing to any app."""
    names = [_word(rng, 3, 20).upper() for _ in range(rng.randint(0, 30))]
    return Conditions(
        {f"CI_{name}": _word(rng, 0, 200) for name in names},
        [_word(rng, 1, 40) for _ in range(rng.randint(1, 5))],
        [
            f"{_word(rng, 1, 30)}.{rng.choice(['md', 'txt', 'toml'])}"
            for _ in range(rng.randint(0, 12))
        ],
        randomised,
    )


def _word(rng: random.Random, shortest: int, longest: int) -> str:
    return "".join(rng.choices(LETTERS, k=rng.randint(shortest, longest)))


@contextmanager
def project(
    app: str, conditions: Conditions, baseline: bytes | None, *more: Path
) -> Iterator[Path]:
    """Lay out a project as a fresh checkout has it; its folder is gone at the end.

    `more` are files and folders to copy into the root folder, byte code and all.
    """
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary, *conditions.folders)
        shutil.copytree(REAL / app, root, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (REAL / "recorder.py", *more):
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, root / path.name)
        if baseline is not None:
            (root / BASELINE).write_bytes(baseline)
        for name in conditions.files:
            (root / name).write_text("nothing\n")
        Path(temporary, "tmp").mkdir()
        yield root


def run(python: Python, root: Path, conditions: Conditions, *options: str) -> list[Outcome]:
    """Run pytest in a project, and return its tests. An error of pytest itself is one more."""
    temporary = root.parents[len(conditions.folders) - 1]
    records = temporary / "records"
    records.unlink(missing_ok=True)
    command = [python.executable, "-m", "pytest", "-q", "-p", "recorder", f"--records={records}"]
    environ = os.environ | conditions.environ | {"TMPDIR": str(temporary / "tmp")}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH"):
        environ.pop(name, None)
    done = subprocess.run(
        [*command, "--cowmem", *options],
        cwd=root,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        preexec_fn=refuse_personality if conditions.randomised else None,
    )
    lines = records.read_text().splitlines() if records.exists() else []
    outcomes = [Outcome(**json.loads(line)) for line in lines]
    if done.returncode not in (0, 1) or not outcomes:
        outcomes.append(Outcome("pytest", True, done.stdout[-2000:], None))
    return outcomes


def output(python: Python, root: Path, code: str, *arguments: str) -> list[str]:
    """Run code in a project, and return the lines it printed. RuntimeError where it fails."""
    command = [python.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the code failed in {root}:\n{done.stderr}")
    return done.stdout.splitlines()


def record_baseline(python: Python, app: str, more: Sequence[Path] = (), *options: str) -> bytes:
    """Record a baseline in plain conditions, and return the file; print what was red meanwhile.

    What was red is recorded again, as a user would do.
    """
    conditions = Conditions()
    with project(app, conditions, None, *more) as root:
        for _ in range(RECORDINGS):
            outcomes = run(python, root, conditions, *options, "--cowmem-update")
            failed = [outcome for outcome in outcomes if outcome.failed]
            for outcome in failed:
                where = f"{app}, {python.version}, baseline"
                print(f"red: {where}: {outcome.test}: {outcome.sentence}", flush=True)
            if not failed:
                break
        return (root / BASELINE).read_bytes()
