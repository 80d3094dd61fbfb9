"""GitHub's REST API, as far as the actions ask it. Runs in a step of GitHub Actions.

Standard library only: the step's Python has whatever the app needs.
"""

import json
import os
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

SECONDS = 60


class Api:
    """The API of the repository that the step runs for."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        url = environ.get("GITHUB_API_URL", "https://api.github.com")
        self._url = f"{url}/repos/{environ['GITHUB_REPOSITORY']}/"
        self._token = environ["TOKEN"]

    def get(self, path: str, **query: object) -> Any:
        """What is at a path. HTTPError where that cannot be read."""
        return json.loads(self._answer("GET", f"{path}?{urlencode(query)}"))

    def send(self, method: str, path: str, body: Mapping[str, object]) -> None:
        """Write to a path. HTTPError where that cannot be written."""
        self._answer(method, path, json.dumps(body).encode())

    def download(self, path: str, most: int) -> bytes:
        """A file of at most so many bytes; no more than those and one are read of a larger one."""
        return self._answer("GET", path, most=most + 1)

    def _answer(
        self, method: str, path: str, body: bytes | None = None, most: int | None = None
    ) -> bytes:
        request = urllib.request.Request(self._url + path, body, method=method)
        request.add_header("Accept", "application/vnd.github+json")
        # The storage that a download is redirected to refuses the token, and is not to have it.
        request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            read: bytes = answer.read(most)
            return read
