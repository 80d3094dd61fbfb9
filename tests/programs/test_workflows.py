"""The action and the workflows that the docs show: by the services' schemas, and run here.

What is a service's own is stood in for: GitHub's and GitLab's API by a server on loopback, and pip
by nothing.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import yaml
from hostile_run import hostile_run

from pytest_cowmem.model.document_text import dumps

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="the lines are the same on each Python, and 3.11 runs them"
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/ci.md"
SHOWN = dict(
    re.findall(
        r"<!-- workflow: (\S+) -->\n```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
)
ACTIONS = {path: (ROOT / path).read_text() for path in ("action.yml", "action/fork/action.yml")}
OUR_OWN = {path.name: path.read_text() for path in (ROOT / ".github/workflows").iterdir()}
COMMENTS = "/repos/o/r/issues/7/comments"


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", {k: v for k, v in SHOWN.items() if "gitlab" not in k} | OUR_OWN),
        ("github-actions", ACTIONS),
        ("gitlab-ci", {k: v for k, v in SHOWN.items() if "gitlab" in k}),
    ],
)
def test_each_file_fulfils_its_service_s_schema(schema, files, tmp_path):
    paths = [tmp_path / f"{number}.yml" for number in range(len(files))]
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text)
    command = ["-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    subprocess.run([sys.executable, *command, *paths], check=True)
    assert paths


def steps(text: str) -> Iterator[dict[str, Any]]:
    """The steps of an action, or of a workflow's jobs."""
    loaded = yaml.safe_load(text)
    jobs = loaded["jobs"].values() if "jobs" in loaded else [loaded["runs"]]
    for job in jobs:
        yield from job["steps"]


@pytest.mark.parametrize(
    "text",
    [*ACTIONS.values(), *(text for name, text in SHOWN.items() if "gitlab" not in name)],
    ids=[*ACTIONS, *(name for name in SHOWN if "gitlab" not in name)],
)
def test_no_script_has_what_somebody_gave(text):
    scripts = [step["run"] for step in steps(text) if "run" in step]
    assert scripts
    assert not [script for script in scripts if "${{" in script]


def test_workflows_call_the_action_by_this_version_and_give_what_it_takes():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version
    used = [step for name in ("memory.yml", "memory-comment.yml") for step in steps(SHOWN[name])]
    ours = [step for step in used if step.get("uses", "").startswith("pytest-cowmem/")]
    assert len(ours) == 2
    for step in ours:
        path, _, called = step["uses"].partition("@")
        assert called == f"v{version[1]}"
        folder = path.removeprefix("pytest-cowmem/pytest-cowmem").strip("/")
        action = yaml.safe_load((ROOT / folder / "action.yml").read_text())
        assert {*step["with"]} <= {*action["inputs"]}


class Service(ThreadingHTTPServer):
    """Stands in for the API of GitHub and GitLab: it keeps comments, and has artifacts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.comments: list[dict[str, Any]] = []
        self.artifact = b""
        self.refuses = 0


class Handler(BaseHTTPRequestHandler):
    server: Service

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing of each request."""

    def _answer(self, body: Any, status: int = 200) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        url = urlparse(self.path)
        query = parse_qs(url.query)
        if url.path == "/storage":  # as GitHub's, it refuses who shows a token
            self._answer(self.server.artifact, 400 if "Authorization" in self.headers else 200)
        elif url.path.endswith("/zip"):
            self.send_response(302)
            self.send_header("Location", f"{self.server.url}/storage")
            self.end_headers()
        elif url.path.endswith("/artifacts"):
            self._answer({"artifacts": [{"id": 5}] if query["name"] == ["it"] else []})
        elif url.path.endswith("/pulls"):
            assert query["head"] == ["fork:a branch;#&"]
            self._answer([{"number": 8, "head": {"sha": "b"}}, {"number": 7, "head": {"sha": "a"}}])
        else:
            page = int(query.get("page", ["1"])[0])
            self._answer(self.server.comments if page == 1 else [])

    def do_POST(self) -> None:
        if self.server.refuses:
            self._answer({}, self.server.refuses)
            return
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        one = {} if self.path.startswith("/repos") else {k: v[0] for k, v in parse_qs(sent).items()}
        one |= {} if one else json.loads(sent)
        known = re.fullmatch(r".*/(\d+)", self.path)
        if known:
            self.server.comments[int(known[1])] |= one
        else:
            new = {"id": len(self.server.comments), "user": {"type": "Bot"}, "path": self.path}
            self.server.comments.append(new | one)
        self._answer({})

    do_PATCH = do_PUT = do_POST


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        thread = Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def shell(tmp_path):
    """`shell(script, **environ)` runs a script as a step does, in a folder of a tiny project.

    Its `python` is this one, whose pip installs nothing.
    """
    folder, tools = tmp_path / "project", tmp_path / "tools"
    for made in (folder, tools):
        made.mkdir()
    python = tools / "python"
    python.write_text(f'#!/bin/sh\n[ "$2" = pip ] || exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / "quiet.py").write_text(
        "def app(environ, start):\n    start('200 OK', [])\n    return [bytes(100_000)]\n"
    )
    (folder / "test_quiet.py").write_text("def test_quiet(cow_worker):\n    cow_worker.get('/')\n")
    ini = "[pytest]\ncowmem_app = quiet:app\ncowmem_rounds = 1\naddopts = -p no:cacheprovider\n"
    (folder / "pytest.ini").write_text(ini)

    def run(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB", "CI"))}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env=kept | {"PATH": f"{tools}:{os.environ['PATH']}", **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    run.folder = folder  # type: ignore[attr-defined]
    return run


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_the_action_measures_and_keeps_one_comment(shell, service):
    measure, _, comment = steps(ACTIONS["action.yml"])
    given = {
        "ARGUMENTS": "--cowmem-strict -k 'quiet and not a' '--junitxml=$(touch x).xml'",
        "PYTHON": "python",
    }
    done = shell(measure["run"], FOLDER="a folder", GITHUB_ACTIONS="true", **given)
    assert done.returncode == 1, done.stdout + done.stderr  # what is new is red where strict
    assert "::error file=test_quiet.py,line=1,title=test_quiet%3A new::" in done.stdout
    written = {path.name for path in (shell.folder / "a folder").iterdir()}
    assert written >= {"run.json", "comment.md", "memory.badge.json"}
    assert not (shell.folder / "x").exists()

    environ = {
        "ACTION": str(ROOT),
        "GITHUB_API_URL": service.url,
        "GITHUB_REPOSITORY": "o/r",
        "KEY": "of 3.13 --> <b>",
        "NUMBER": "7",
        "PAGE": "a folder/comment.md",
        "PYTHON": "python",
        "TOKEN": "secret",
    }
    assert {*comment["env"]} | {"GITHUB_API_URL", "GITHUB_REPOSITORY"} == {*environ}
    by_hand = {"id": 0, "user": {"type": "User"}, "body": "<!-- pytest-cowmem of-3.13-b- -->\n"}
    service.comments.append(by_hand)
    for _ in range(2):
        assert shell(comment["run"], **environ).returncode == 0
    assert shell(comment["run"], **environ | {"KEY": "another"}).returncode == 0
    _, first, second = service.comments
    marker, _, page = first["body"].partition("\n")
    assert (marker, first["path"]) == ("<!-- pytest-cowmem of-3.13-b- -->", COMMENTS)
    assert page == (shell.folder / "a folder/comment.md").read_text()
    assert second["body"].startswith("<!-- pytest-cowmem another -->\n## Memory gate failed: ")

    service.refuses = 403
    refused = shell(comment["run"], **environ)
    assert (refused.returncode, refused.stdout.startswith("::warning::no comment")) == (0, True)
    missing = shell(comment["run"], **environ | {"PAGE": "none.md"})
    assert (missing.returncode, missing.stdout[:18]) == (0, "there is no report")


@pytest.fixture
def of_fork(shell, service):
    """`of_fork(**environ)` runs the action that comments on a fork's pull request."""
    (step,) = steps(ACTIONS["action/fork/action.yml"])
    environ = {
        "ACTION": str(ROOT / "action/fork"),
        "BRANCH": "a branch;#&",
        "GITHUB_API_URL": service.url,
        "GITHUB_REPOSITORY": "o/r",
        "KEY": "it",
        "OWNER": "fork",
        "PYTHON": "python",
        "RUN": "3",
        "SHA": "a",
        "TOKEN": "secret",
    }
    assert {*step["env"]} | {"GITHUB_API_URL", "GITHUB_REPOSITORY"} == {*environ}
    return lambda **changes: shell(step["run"], **environ | changes)


def archive(name: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr(name, text)
    return packed.getvalue()


def test_a_fork_s_report_is_rendered_anew(of_fork, service):
    nasty = "</details><script>@octocat ![x](y)"
    service.artifact = archive("run.json", dumps(hostile_run(nasty)))
    done = of_fork()
    assert done.returncode == 0, done.stdout + done.stderr
    (comment,) = service.comments
    assert comment["path"] == COMMENTS  # of the pull request with this commit, by GitHub's word
    assert comment["body"].startswith("<!-- pytest-cowmem it -->\n## Memory gate failed: ")
    assert of_fork(SHA="gone").stdout.startswith("no open pull request")
    assert of_fork(KEY="none").stdout.startswith("the run uploaded no report")


@pytest.mark.parametrize(
    ("artifact", "said"),
    [
        (b"PK", "no run.json that can be read"),
        (archive("other.json", "{}"), "no run.json that can be read"),
        (archive("run.json", "::error::\n{"), "is not JSON"),
        (archive("run.json", " " * 20_000_001), "more than 20,000,000 bytes"),
    ],
    ids=["no archive", "no report", "no JSON", "a bomb"],
)
def test_what_a_fork_uploads_that_is_no_report_is_refused(of_fork, service, artifact, said):
    service.artifact = artifact
    done = of_fork()
    assert (done.returncode, service.comments) == (1, [])
    assert said in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_a_baseline_that_ci_recorded_is_committed_and_nothing_else(shell, tmp_path):
    record, commit = yaml.safe_load(SHOWN["memory-accept.yml"])["jobs"].values()
    git(shell.folder, "init", "--quiet")
    git(shell.folder, "add", ".")
    git(shell.folder, "commit", "--quiet", "-m", "one")
    git(tmp_path, "clone", "--quiet", "--bare", "project", "origin")
    git(shell.folder, "remote", "add", "origin", str(tmp_path / "origin"))
    git(shell.folder, "push", "--quiet", "--set-upstream", "origin", "main")
    for step in record["steps"]:
        done = shell(step.get("run", ""), CI="true")
        assert done.returncode == 0, done.stdout + done.stderr
    patch = shell.folder / "cowmem-baseline.patch"
    recorded = (shell.folder / "cowmem-baseline.json").read_text()
    assert '"test_quiet.py::test_quiet"' in recorded

    more = "diff --git a/evil.py b/evil.py\nnew file mode 100644\n--- /dev/null\n+++ b/evil.py\n"
    kept = patch.read_text() + more + "@@ -0,0 +1 @@\n+import os\n"
    git(shell.folder, "reset", "--quiet", "--hard")
    git(shell.folder, "clean", "-fdq")
    patch.write_text(kept)
    (apply,) = [step for step in commit["steps"] if step.get("name", "").startswith("Commit")]
    done = shell(apply["run"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(tmp_path / "origin", "show", "--name-only", "--format=").split() == [
        "cowmem-baseline.json"
    ]
    assert git(tmp_path / "origin", "show", "main:cowmem-baseline.json") == recorded


@pytest.mark.skipif(not shutil.which("curl"), reason="the note of GitLab is written by curl")
def test_gitlab_s_note_is_written_once_and_updated(shell, service):
    script = "\n".join(yaml.safe_load(SHOWN[".gitlab-ci.yml"])["memory note"]["script"])
    environ = {
        "CI_API_V4_URL": service.url,
        "CI_MERGE_REQUEST_IID": "2",
        "CI_PROJECT_ID": "1",
        "COWMEM_TOKEN": "secret",
    }
    for page in ("## Memory gate failed: 1 & more + a%20b", "## Memory gate passed: é"):
        (shell.folder / "run-3.13.md").write_text(page)
        done = shell(script, **environ)
        assert done.returncode == 0, done.stderr
        (note,) = service.comments
        assert note["path"] == "/projects/1/merge_requests/2/notes"
        assert note["body"] == page


def test_gitlab_s_command_writes_what_it_uploads(shell):
    job = yaml.safe_load(SHOWN[".gitlab-ci.yml"])["memory"]
    commands = [command.replace("--numprocesses 2", "") for command in job["script"]]
    done = shell("\n".join(commands), PYTHON="3.13")
    assert done.returncode == 1, done.stderr
    reports = job["artifacts"]["reports"].values()
    for path in (*reports, *(it.replace("$PYTHON", "3.13") for it in job["artifacts"]["paths"])):
        assert (shell.folder / path).stat().st_size
