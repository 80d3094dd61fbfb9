"""Comment on a fork's pull request from what its run uploaded. Runs in a `workflow_run` job.

The fork wrote the artifact, so nothing in it is believed: it is small, its report is read as one,
and the page is made of it here. Which pull request it is for, GitHub's event says. The environment
has TOKEN, KEY, RUN, and OWNER, BRANCH and SHA of the fork.
"""

import io
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from api import SECONDS, Api
from comment import comment

MOST = 20_000_000  # bytes of an artifact, and of the report in it
_UNREADABLE = (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, EOFError)


def main() -> int:
    """Comment; returns the exit code, 1 where what was uploaded is no report."""
    api = Api()
    number = pull_request(api)
    if number is None:
        print("no open pull request has this commit any more")
        return 0
    found = artifact(api, int(os.environ["RUN"]), os.environ["KEY"])
    if found is None:
        print("the run uploaded no report")
        return 0
    try:
        page = page_of(report_in(api.download(f"actions/artifacts/{found}/zip", MOST)))
    except ValueError as error:
        print(f"no comment: {str(error)!a}")  # in one line, which can be no command
        return 1
    comment(api, number, os.environ["KEY"], page)
    return 0


def pull_request(api: Api) -> int | None:
    """The number of the open pull request; the event has it for no fork."""
    head = f"{os.environ['OWNER']}:{os.environ['BRANCH']}"
    for pull in api.get("pulls", state="open", head=head):
        if pull["head"]["sha"] == os.environ["SHA"]:
            return int(pull["number"])
    return None


def artifact(api: Api, run: int, name: str) -> int | None:
    """The id of a run's artifact."""
    found = api.get(f"actions/runs/{run}/artifacts", name=name)["artifacts"]
    return int(found[0]["id"]) if found else None


def report_in(archive: bytes) -> bytes:
    """The JSON report in an artifact. ValueError where it has none, or a large one."""
    if len(archive) > MOST:
        raise ValueError(f"the artifact has more than {MOST:,} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files, files.open("run.json") as file:
            report = file.read(MOST + 1)  # whatever size the archive claims
    except _UNREADABLE as error:
        raise ValueError(f"the artifact has no run.json that can be read: {error}") from None
    if len(report) > MOST:
        raise ValueError(f"the report has more than {MOST:,} bytes")
    return report


def page_of(report: bytes) -> str:
    """The page of a report, made anew. ValueError for what is none."""
    with tempfile.TemporaryDirectory() as folder:
        run, page = Path(folder, "run.json"), Path(folder, "comment.md")
        run.write_bytes(report)
        command = [sys.executable, "-m", "pytest_cowmem.cli", "report", str(run), "-o", str(page)]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
        if done.returncode:
            raise ValueError(done.stderr[-500:])
        return page.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
