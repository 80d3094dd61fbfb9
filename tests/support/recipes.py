"""The files that a how-to page shows."""

import re
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
_FILE = re.compile(r"```\w+\n# (?P<name>[\w/]+\.\w+)\n(?P<text>.*?)```", re.DOTALL)


def files(page: str) -> dict[str, str]:
    """The code of a page that begins with a comment that names its file, by that name."""
    found = _FILE.finditer((PAGES / page).read_text(encoding="utf-8"))
    return {match["name"]: match["text"] for match in found}
