"""Layouts: what environment, files beside the app, seeds, and edits of source do to private pages.

Every row is cold starts of an app, one round of some requests each. httpbin comes from PyPI.
"""

import argparse
import io
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path

from common import show

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.procfs import PAGE
from pytest_cowmem.host.round import Round
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.model.app import App

SHOP = Path(__file__).parent.parent / "tests/support/apps/flask_shop.py"
VARIED = ["varied", "starts", "mean", "sd", "least", "most", "where, by sd"]
EDITED = ["edit", "one layout", "mean of five", "its error", "moved by", "in errors"]
SEEDS = 20

MOST_BSS = 2**18  # bytes; what follows a file and is longer was mapped apart

Regions = Counter[str]


@dataclass(frozen=True)
class Witness:
    """An app, the URLs of its round, the folder of its code, and a file of it to edit."""

    target: str
    urls: tuple[str, ...]
    path: Path
    source: Path


def witnesses(folder: Path) -> list[Witness]:
    """Make copies of the apps in `folder`."""
    packages = folder / "packages"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--target",
        str(packages),
        "httpbin",
    ]
    subprocess.run(command, check=True)
    shop = folder / "shop"
    shop.mkdir()
    shutil.copy(SHOP, shop)
    names = "get headers ip user-agent html json xml cookies encoding/utf8"
    return [
        Witness(
            "httpbin:app",
            tuple(f"/{name}" for name in names.split()),
            packages,
            packages / "httpbin/core.py",
        ),
        Witness(
            "flask_shop:app",
            ("/feed", "/find/it?q=1", "/stream"),
            shop,
            shop / "flask_shop.py",
        ),
    ]


def one_round(witness: Witness, root: Path, seed: int) -> Regions:
    """Start a zygote, and return the private pages of one round by region of memory."""
    with closing(Zygote(App(witness.target), root, [str(witness.path)], 600, seed)) as zygote:
        zygote.wait_for_app()
        with CowWorker() as client, Round(zygote, 600) as current:
            client.enter_round(current)
            before = regions(current.pair.worker)
            with redirect_stderr(io.StringIO()):
                for url in witness.urls:
                    client.get(url).raise_for_status()
            after = regions(current.pair.worker)
            after.subtract(before)
            return after


def regions(pid: int) -> Regions:
    """Return private pages by region: a file's own with what follows it, heap, stack, the rest."""
    found: Regions = Counter()
    name, end = "", ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if match := re.match(r"(\w+)-(\w+) (?:\S+ +){4}(.*)", line):
            begin, limit, path = match.groups()
            if path or begin != end or int(limit, 16) - int(begin, 16) > MOST_BSS:
                name = re.sub(r"[-.]?\d.*", "", Path(path).name) or "anonymous"
            end = limit
        elif line.startswith("Private_Dirty:"):
            found[name] += int(line.split()[1]) * 1024 // PAGE
    return found


def row(varied: str, rounds: list[Regions]) -> list[object]:
    """Return a table's row."""
    pages = [found.total() for found in rounds]
    names = {name for found in rounds for name in found}
    noise = {name: statistics.pstdev([found[name] for found in rounds]) for name in names}
    worst = sorted(noise, key=lambda name: -noise[name])[:3]
    return [
        varied,
        len(pages),
        statistics.mean(pages),
        statistics.stdev(pages),
        min(pages),
        max(pages),
        ", ".join(f"{name} {noise[name]:.1f}" for name in worst if noise[name]),
    ]


@contextmanager
def environment(chance: random.Random) -> Iterator[None]:
    """Have random variables more, in number and length, until the block ends."""
    kept = dict(os.environ)
    for _ in range(chance.randrange(80)):
        name = "V" + "".join(chance.choices("ABCDEFGHIJ_", k=chance.randrange(1, 30)))
        os.environ[name] = "x" * int(chance.paretovariate(0.6) % 3000)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


@contextmanager
def files(chance: random.Random, root: Path) -> Iterator[None]:
    """Have random files in the root folder, until the block ends."""
    made = [
        root / "".join(chance.choices("abcdefghij", k=chance.randrange(1, 40)))
        for _ in range(chance.randrange(80))
    ]
    for path in made:
        path.touch()
    try:
        yield
    finally:
        for path in made:
            path.unlink(missing_ok=True)


def varied_rows(witness: Witness, root: Path, starts: int) -> Iterator[list[object]]:
    """Vary what is beside the app, and then the seed."""
    chance = random.Random(1)

    def rounds(around: Callable[[], AbstractContextManager[None]]) -> Iterator[Regions]:
        for _ in range(starts):
            with around():
                yield one_round(witness, root, 0)

    one_round(witness, root, 0)  # compiles
    yield row("nothing", [one_round(witness, root, 0) for _ in range(5)])
    yield row("environment", list(rounds(lambda: environment(chance))))
    yield row("files in the root folder", list(rounds(lambda: files(chance, root))))
    seeds = [one_round(witness, root, seed) for seed in range(1, SEEDS + 1)]
    yield row("seed, the first five", seeds[:5])
    yield row("seed", seeds)


def edit_rows(witness: Witness, root: Path) -> Iterator[list[object]]:
    """Edit the app's source so that it does the same, and measure each edit with five seeds."""
    source = witness.source.read_text()
    before: list[int] = []
    for name, edited in [("nothing", source), *edits(source)]:
        witness.source.write_text(edited)
        one_round(witness, root, 0)  # compiles
        pages = [one_round(witness, root, seed).total() for seed in range(5)]
        before = before or pages
        mean, error = statistics.mean(pages), statistics.stdev(pages) / len(pages) ** 0.5
        differs = mean - statistics.mean(before)
        chance = (error**2 + statistics.variance(before) / len(before)) ** 0.5
        yield [name, pages[0], mean, error, differs, differs / chance if chance else 0.0]
    witness.source.write_text(source)


def edits(source: str) -> Iterator[tuple[str, str]]:
    """Make ten edits that change nothing, each with its name."""
    first, _, rest = source.partition("\n\n")
    for longer in (1, 40, 700):
        yield f"docstring {longer} longer", source.replace('"""', '"""' + "x" * longer, 1)
    for constants in (1, 20, 300):
        text = "".join(f"CONSTANT_{number} = {number + 0.5}\n" for number in range(constants))
        yield f"{constants} constants more", f"{source}\n{text}"
    for functions in (1, 10):
        text = "".join(f"def unused_{number}():\n    pass\n\n\n" for number in range(functions))
        yield f"{functions} functions more", f"{source}\n\n{text}"
    yield "a long comment", f"{first}\n\n{'# nothing' * 100}\n\n{rest}"
    parts = re.split(r"(?=\n\n\n@)", source)
    yield "functions reordered", "".join([parts[0], *reversed(parts[1:-1]), parts[-1]])


def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = folder / "root"
        root.mkdir()
        for witness in witnesses(folder):
            pages = f"{witness.target}: private pages of a round"
            show(pages, list(varied_rows(witness, root, options.starts)), VARIED)
            show(f"{pages}, five seeds an edit", list(edit_rows(witness, root)), EDITED)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=50, help="of each row (default: 50)")
    main(parser.parse_args())
