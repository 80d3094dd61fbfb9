"""Print the folders of the package: their lines, and what each says of itself.

Runs in a process of its own, from the root of the repository.
"""

import ast
from pathlib import Path

from tabulate import tabulate

PACKAGE = Path("pytest_cowmem")
# What an afternoon of reading leaves for the next: tracing, and what explains a trace.
SECOND_AFTERNOON = (
    "zygote/trace",
    "explain",
    "model/explanation.py",
    "report/causes.py",
    "report/fold.py",
    "report/ranked.py",
    "report/reasons.py",
    "report/since.py",
    "report/why.py",
)


def says(init: Path) -> str:
    """The first sentence of a package's docstring."""
    text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def lines(*paths: Path) -> int:
    """The lines of these files, and of all Python files in these folders."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.glob("*.py"))]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def main() -> None:
    folders = sorted({file.parent for file in PACKAGE.rglob("*.py")} - {PACKAGE})
    rows = [["(top)", lines(PACKAGE), "What pytest loads in every run"]]
    for folder in folders:
        name = folder.relative_to(PACKAGE).as_posix()
        rows.append([name, lines(folder), says(folder / "__init__.py")])
    second = lines(*(PACKAGE / name for name in SECOND_AFTERNOON))
    print(tabulate(rows, headers=["folder", "lines", "what lives there"], intfmt=","))
    total = lines(PACKAGE, *folders)
    print(f"\n{total - second:,} lines are the core. {second:,} are tracing, and what explains it.")


if __name__ == "__main__":
    main()
