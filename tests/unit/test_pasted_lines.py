"""The lines to paste, as text and as Python; tests/programs/test_paste.py has real servers."""

import ast
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_cowmem.model.policy import ALL, Policy
from pytest_cowmem.report.paste import Followed, paste

WARM = Policy(requests=ALL)
ALL_AT_ONCE = Policy(("json.tool", "pydoc_data.topics"), ALL, True, "900,20,100")
QUERY = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"')
REQUESTS = st.lists(
    st.tuples(st.text(st.characters(max_codepoint=255)), st.text(QUERY)), max_size=30
)


def gunicorns(requests, policy=WARM):
    return dict(paste(Followed(policy, "shop.wsgi:app", tuple(requests))))["gunicorn.conf.py"]


def warm_up(text, app):
    """Execute a gunicorn's lines, and its hook, with an app."""
    names: dict[str, Any] = {}
    exec(text, names)
    names["when_ready"](SimpleNamespace(app=SimpleNamespace(wsgi=lambda: app)))


class Recorder:
    """A WSGI app that keeps what it is asked for, and how its responses end."""

    def __init__(self):
        self.asked, self.ended = [], []

    def __call__(self, environ, start_response):
        self.asked.append((environ["PATH_INFO"], environ["QUERY_STRING"]))
        self.environ = environ
        if environ["PATH_INFO"] == "/broken":
            raise LookupError("the shelf is empty")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body(self.ended)


class Body:
    def __init__(self, ended):
        self.ended = ended

    def __iter__(self):
        yield b"one"
        self.ended.append("read")

    def close(self):
        self.ended.append("closed")


@given(REQUESTS)
@example([("", ""), ("", "?"), ("/", "a?b"), ("/?", ""), ('/"""', "\\"), ("/\\n", "\\n%20%")])
@example([("/\xa0\x85\x1c", "")])  # which split() takes for spaces
def test_requests_arrive_as_they_were(requests):
    app = Recorder()
    warm_up(gunicorns(requests), app)
    assert app.asked == requests


def test_a_query_that_no_client_sends_is_quoted():
    app = Recorder()
    warm_up(gunicorns([("/", 'a b"\xe9')]), app)
    assert app.asked == [("/", "a%20b%22%E9")]


def test_a_response_is_read_and_closed_and_one_that_fails_does_not_stop_the_others(capsys):
    app = Recorder()
    warm_up(gunicorns([("/broken", ""), ("/", "")]), app)
    assert app.ended == ["read", "closed"]
    assert "LookupError: the shelf is empty" in capsys.readouterr().err


def test_a_request_is_one_that_a_worker_could_get():
    app = Recorder()
    warm_up(gunicorns([("/", "")]), app)
    told = {name: app.environ[name] for name in ("REQUEST_METHOD", "SCRIPT_NAME", "HTTP_HOST")}
    assert told == {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "HTTP_HOST": "localhost"}


@pytest.mark.parametrize("word", ["/a", "/find/10?q=a-b"])
def test_lines_are_full_and_no_longer_than_79_characters(word):
    lines = gunicorns([tuple(word.partition("?")[::2])] * 100).splitlines()
    assert max(map(len, lines)) <= 79
    within = [line for line in lines if line.startswith(word)]
    assert min(map(len, within[:-1])) >= 79 - len(word)


@pytest.mark.parametrize("policy", [ALL_AT_ONCE, Policy(freeze=True, gc="off"), Policy()])
def test_imports_come_first_in_order_and_only_what_is_used(policy):
    for place, text in paste(Followed(policy, "shop.wsgi:app", (("/", ""),))):
        body = ast.parse(text).body
        imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert body[: len(imports)] == imports, place
        names = [alias.asname or alias.name for node in imports for alias in node.names]
        assert len({*names}) == len(names), place
        rest = "\n".join(map(ast.unparse, body[len(imports) :]))
        assert [name for name in names if name not in rest and name != "shop.wsgi"] == [], place


@pytest.mark.parametrize(
    ("target", "expression"),
    [
        ("shop.wsgi:app", "shop.wsgi.app"),
        ("shop:api.app", "shop.api.app"),
        ("shop:make(1, debug=True)", "shop.make(1, debug=True)"),
        ("shop", "shop.application"),
    ],
)
def test_uwsgi_serves_the_app_that_is_named(target, expression):
    found = dict(paste(Followed(Policy(freeze=True), target)))
    (text,) = (text for place, text in found.items() if place.startswith("uWSGI"))
    assert f"import {target.partition(':')[0]}\n" in text
    assert f"application = {expression}\n" in text


def test_what_serves_no_requests_is_offered_no_prewarming():
    serving = [place.partition(":")[0] for place, _ in paste(Followed(WARM, "shop:app"))]
    others = [place.partition(":")[0] for place, _ in paste(Followed(Policy(), "shop:app"))]
    assert serving == ["gunicorn.conf.py", "uWSGI"]
    assert others == [*serving, "Celery", "forkserver"]
