"""Run the commands whose output README and docs show, and write it there, or check it with --check.

A fenced block is made by this script where a comment stands above it:

    <!-- output: SHOP_REGRESSION=leak pytest --cowmem -k no_leak; shown: failure -->

A page with a comment `<!-- file: feed.py -->` above a block has a folder of its own. Each such
block is written into it, and each command is run there, in the order of the page. A script of docs/
runs in the root of the repository, and so does `cowmem history`, where git has all commits. All
other commands run in a copy of the example, which has a baseline that was recorded there: so the
output has the same shape on every machine. The copy is committed to a branch `main` in the folder
above it. Runs in a process of its own, with the Python of the docs.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from textwrap import indent

from shape import differences

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "example_project"
PAGES = ("*.md", "example_project/*.md", "docs/**/*.md")

# Each part of an output: a pattern for its first line, and one for the line after its last.
PARTS = {
    "all": (r"", r"(?!)"),
    "run": (r"tests?[/_]\S* ", r"(?!)"),
    "failures": (r"=+ FAILURES", r"=+ cowmem"),
    "failure": (r"_{3,} ", r"=+ cowmem"),
    "why": (r"where |by module, since ", r"$"),
    "summary": (r"=+ cowmem", r"=+ (?!cowmem)"),
    "profile": (r"profile \S+-cpython3\.11-", r"profile "),
    "capacity": (r"workers of ", r"\S"),
    "options": (r"private memory and GC pauses", r"$"),
    "settings": (r"  cowmem \(", r"  (?!cowmem| )"),
}
_MARKED = re.compile(
    r"<!-- (?P<kind>output|file): (?P<what>[^;\n]+?)(?:; shown: (?P<part>\w+))? -->\n"
    r"(?P<fence>`{3,})\w*\n(?P<block>.*?)(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)


def main() -> int:
    """Go through all pages. Return 1 where --check finds a block that is no longer true."""
    parser = argparse.ArgumentParser(description="make the output that README and docs show")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check = parser.parse_args().check
    stale = 0
    with tempfile.TemporaryDirectory(prefix="outputs-") as folder:
        example = Example(Path(folder) / "shop")
        for page in sorted(path for pattern in PAGES for path in ROOT.glob(pattern)):
            text = page.read_text(encoding="utf-8")
            renew = Page(page, Path(folder) / "tutorial", example)
            new = _MARKED.sub(renew.block, text)
            stale += len(renew.stale)
            if check:
                print("".join(renew.stale), end="")
            elif new != text:
                page.write_text(new, encoding="utf-8")
                print(f"written: {page.relative_to(ROOT)}")
    if check and stale:
        print("run `make docs-output`, look at what changed, and commit it")
    return int(check and bool(stale))


class Page:
    """One page on the way through: its folder, and what was found stale in it."""

    def __init__(self, path: Path, folder: Path, example: "Example") -> None:
        self.path = path
        self.stale: list[str] = []
        self.run: Callable[[str], str] = example.run
        if "<!-- file: " in path.read_text(encoding="utf-8"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            self.run = partial(run, folder=folder)
        self.folder = folder

    def block(self, found: re.Match[str]) -> str:
        """Return a marked block anew; note it where its shape differs."""
        if found["kind"] == "file":
            (self.folder / found["what"]).write_text(found["block"], encoding="utf-8")
            return found[0]
        command = found["what"]
        of_commits = command.startswith("cowmem history")
        if of_commits and not _has_all_commits():
            print(f"not checked, since this clone is shallow: {command}")
            return found[0]
        run_it = partial(run, folder=ROOT) if of_commits or "docs/" in command else self.run
        output = f"$ {command}\n{part_of(run_it(command), found['part'] or 'all')}"
        if changed := differences(found["block"], output):
            page = self.path.relative_to(ROOT)
            # The shape says what is stale, and the amounts why: chance may not come again.
            found_now = indent(output, "  > ")
            self.stale.append("\n  ".join([f"{page}: {command}", *changed]) + f"\n{found_now}")
        start, end = (at - found.start() for at in found.span("block"))
        return found[0][:start] + output + found[0][end:]


class Example:
    """A copy of the example with its own baseline; every command finds it in the same state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recorded = False
        self._outputs: dict[str, str] = {}

    def run(self, command: str) -> str:
        """Return the output of a command. The same one is run once."""
        if not self._recorded:
            self._record()
        if command not in self._outputs:
            _git(self.folder, "checkout", "-q", "--", ".")
            self._outputs[command] = run(command, self.folder)
        return self._outputs[command]

    def _record(self) -> None:
        ignored = shutil.ignore_patterns("__pycache__", "instance", ".pytest_cache")
        shutil.copytree(EXAMPLE, self.folder, ignore=ignored)
        # The folders that a first run leaves move objects. The second one measures beside them.
        for command in ("pytest --cowmem", "pytest --cowmem --cowmem-update=all"):
            run(command, self.folder)
        _git(self.folder.parent, "init", "-q", "-b", "main")
        _git(self.folder, "add", ".", ":!*__pycache__*", ":!.pytest_cache")
        _git(self.folder, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "shop")
        self._recorded = True


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, text=True, stdout=subprocess.PIPE
    ).stdout


def _has_all_commits() -> bool:
    return _git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "false"


def run(command: str, folder: Path) -> str:
    """Return what a shell command prints in a folder, at 80 columns, with the folder's path cut.

    SystemExit where pytest did not even run the tests, which no page means to show.
    """
    environ = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
    }
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environ, text=True, capture_output=True, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.replace(str(folder.parent), "...")


def part_of(output: str, name: str) -> str:
    """Return one of PARTS of an output. SystemExit where it has no such part."""
    first, after = PARTS[name]
    lines = output.splitlines()
    start = next((at for at, line in enumerate(lines) if re.match(first, line)), None)
    if start is None:
        raise SystemExit(f"there is no part {name!r} in:\n{output}")
    rest = range(start + 1, len(lines))
    end = next((at for at in rest if re.match(after, lines[at])), len(lines))
    return "\n".join(lines[start:end]).strip("\n") + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
