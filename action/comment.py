"""Write a page into a pull request's comment, the same one each time.

Runs in a step of GitHub Actions. The environment has TOKEN, NUMBER, PAGE, and KEY, which tells the
comments of several jobs apart.
"""

import os
import re
import sys
from pathlib import Path
from urllib.error import HTTPError

from api import Api

_PAGES = 30  # of a hundred comments: a pull request with more gets a second one of ours


def main() -> int:
    """Comment; returns the exit code, 0 where the token may not."""
    page = Path(os.environ["PAGE"])
    if not page.is_file():
        print("there is no report to comment with: the run ended before it began")
        return 0
    comment(Api(), int(os.environ["NUMBER"]), os.environ["KEY"], page.read_text(encoding="utf-8"))
    return 0


def comment(api: Api, number: int, key: str, page: str) -> None:
    """Write a page into the comment of this key, or say why the token may not."""
    marker = f"<!-- pytest-cowmem {re.sub('[^A-Za-z0-9._]+', '-', key)} -->\n"
    body = {"body": marker + page}
    try:
        if known := _find(api, number, marker):
            api.send("PATCH", f"issues/comments/{known}", body)
        else:
            api.send("POST", f"issues/{number}/comments", body)
    except HTTPError as error:
        if error.code not in (403, 404):
            raise
        print("::warning::no comment: the job needs the permission `pull-requests: write`")


def _find(api: Api, number: int, marker: str) -> int | None:
    """The id of the comment that a bot began with the marker."""
    for page in range(1, _PAGES + 1):
        comments = api.get(f"issues/{number}/comments", per_page=100, page=page)
        for one in comments:
            if one["user"]["type"] == "Bot" and one["body"].startswith(marker):
                return int(one["id"])
        if not comments:
            break
    return None


if __name__ == "__main__":
    sys.exit(main())
