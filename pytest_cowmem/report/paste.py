"""A policy as lines to paste, for each kind of server. Runs in the pytest process.

Each form says what the master does between loading the app and its first fork, and what each worker
does after it. A new server is a new function, and a line in _FORMS.
"""

import string
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import fill, indent
from urllib.parse import quote

from pytest_cowmem.model.policy import Policy
from pytest_cowmem.model.what_if import Requests

_WIDTH = 79
_IN_PATH = "/!$&'()*+,;=:@~"  # what RFC 3986 lets stand for itself
_IN_QUERY = string.punctuation.replace('"', "")  # a query is not unquoted: what was quoted stays so
_GETS = "# What the tests get without cookies or login."
_LATIN = "latin-1"  # PEP 3333: strings in environ are bytes decoded as latin-1


@dataclass(frozen=True)
class Followed:
    """A policy of an app, `module:expression`, and the requests that warm up where it says so."""

    policy: Policy
    target: str
    requests: Requests = ()

    @property
    def module(self) -> str:
        """The app's module."""
        return self.target.partition(":")[0]

    @property
    def app(self) -> str:
        """An expression for the app, where its module is imported."""
        return f"{self.module}.{self.target.partition(':')[2] or 'application'}"

    @property
    def imports(self) -> list[str]:
        """The imports of what both master and workers do."""
        found = ["import gc"] if self.policy.freeze or self.policy.gc else []
        if self.policy.imports:
            found.append("from importlib import import_module")
        if self.policy.requests:
            found += _IMPORTS_TO_WARM_UP
        return found

    @property
    def constants(self) -> list[str]:
        """The definitions of what `before` names."""
        found = []
        if self.policy.imports:
            found.append(_words("MODULES", self.policy.imports))
        if self.policy.requests:
            urls = _words("URLS", [_url(*request) for request in self.requests])
            found.append(f"{_GETS}\n{urls}")
        return found

    def before(self, app: str) -> list[str]:
        """Lines for the master; `app` is the WSGI app's name there.

        The master still collects once it has frozen: little is left for it.
        """
        lines = []
        if self.policy.imports:
            lines += ["for name in MODULES:", "    import_module(name)"]
        if self.policy.requests:
            lines += _warm_up(app)
        return lines + (["gc.freeze()"] if self.policy.freeze else [])

    @property
    def after(self) -> list[str]:
        """Lines for each worker."""
        gc = self.policy.gc
        if gc == "off":
            return ["gc.disable()"]
        return [f"gc.set_threshold({', '.join(gc.split(','))})"] if gc else []


def paste(followed: Followed, interface: str = "wsgi") -> Iterator[tuple[str, str]]:
    """(where it goes to, the lines), for each kind of server that can follow the policy.

    It has to serve apps of that interface too (model/facts.py).
    """
    environ = followed.policy.environ
    started = "".join(f"# start it with {name}={value}\n" for name, value in environ)
    for place, (form, serves, interfaces) in _FORMS.items():
        if interface in interfaces and (serves or not followed.policy.requests):
            yield place, started + form(followed)


def _gunicorn(it: Followed) -> str:
    app = ["app = server.app.wsgi()"] if it.policy.requests else []
    return _text(
        it.imports,
        "preload_app = True",
        *it.constants,
        _function("when_ready(server)", [*app, *it.before("app")]),
        _function("post_fork(server, worker)", it.after),
    )


def _uwsgi(it: Followed) -> str:
    decorators = ["from uwsgidecorators import postfork"] if it.after else []
    return _text(
        [*it.imports, *decorators, f"import {it.module}"],
        f"application = {it.app}",
        *it.constants,
        "\n".join(it.before("application")),
        _function("after_fork()", it.after, "@postfork"),
    )


def _celery(it: Followed) -> str:
    before, after = it.before(""), it.after
    signals = ", ".join([*["worker_init"] * bool(before), *["worker_process_init"] * bool(after)])
    return _text(
        [*it.imports, *[f"from celery.signals import {signals}"] * bool(signals)],
        *it.constants,
        _function("before_forks(**_)", before, "@worker_init.connect"),
        _function("after_fork(**_)", after, "@worker_process_init.connect"),
    )


def _forkserver(it: Followed) -> str:
    return _text(
        [*it.imports, *["import os"] * bool(it.after), f"import {it.module}  # noqa: F401"],
        *it.constants,
        "\n".join(it.before("")),
        _function("after_fork()", it.after),
        "os.register_at_fork(after_in_child=after_fork)" if it.after else "",
    )


_ALL = ("wsgi", "asgi", "call")
# Where the lines go to: (form, whether its workers serve requests, interfaces)
_FORMS: dict[str, tuple[Callable[[Followed], str], bool, tuple[str, ...]]] = {
    "gunicorn.conf.py": (_gunicorn, True, ("wsgi", "asgi")),
    # It has no hook between loading the app and forking.
    "uWSGI: a module of its own, which `module =` names in place of the app's": (
        _uwsgi,
        True,
        ("wsgi",),
    ),
    "Celery: in the app's module": (_celery, False, _ALL),
    "forkserver: a module of its own, which set_forkserver_preload() names": (
        _forkserver,
        False,
        _ALL,
    ),
}


_IMPORTS_TO_WARM_UP = (
    "import sys",
    "from io import BytesIO",
    "from urllib.parse import unquote",
    "from wsgiref.handlers import SimpleHandler",
    "from wsgiref.util import setup_testing_defaults",
)


def _warm_up(app: str) -> list[str]:
    """Lines that serve requests as a worker would, to the end of each response.

    SimpleHandler closes what the app returns, and shows what it raises.
    """
    return [
        "for url in URLS:",
        '    path, _, query = url.partition("?")',
        f'    environ = {{"SCRIPT_NAME": "", "PATH_INFO": unquote(path, "{_LATIN}")}}',
        '    environ |= {"QUERY_STRING": query, "HTTP_HOST": "localhost"}',
        "    setup_testing_defaults(environ)",
        f"    SimpleHandler(BytesIO(), BytesIO(), sys.stderr, environ).run({app})",
    ]


def _url(path: str, query: str) -> str:
    """A request's PATH_INFO and QUERY_STRING as one word."""
    quoted = quote(path, safe=_IN_PATH, encoding=_LATIN)
    asked = quote(query, safe=_IN_QUERY, encoding=_LATIN)
    return f"{quoted}?{asked}" if asked or not quoted else quoted


def _words(name: str, words: Iterable[str]) -> str:
    """A list of words, defined in lines that are as full as they can be."""
    text = " ".join(words).replace("\\", "\\\\")
    lines = fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return f'{name} = """\n{lines}\n""".split()'


def _function(head: str, body: Sequence[str], decorator: str = "") -> str:
    """A function's lines; none where its body has none."""
    if not body:
        return ""
    lines = indent("\n".join(body), "    ")
    return "\n".join([*filter(None, [decorator]), f"def {head}:", lines])


def _text(imports: Iterable[str], *blocks: str) -> str:
    """A module: its imports in order, then blocks, with two empty lines around each function."""
    text, after_function = _sorted(imports), False
    for block in filter(None, blocks):
        is_function = block.startswith(("def ", "@"))
        between = "\n\n\n" if is_function or after_function else "\n\n"
        text += (between if text else "") + block
        after_function = is_function
    return text


def _sorted(imports: Iterable[str]) -> str:
    """Imports as PEP 8 has them: the standard library's first, apart from others."""
    groups: dict[bool, list[str]] = {False: [], True: []}
    for line in sorted(imports, key=lambda line: (line.startswith("from"), line)):
        top = line.split()[1].partition(".")[0]
        groups[top not in sys.stdlib_module_names].append(line)
    return "\n\n".join("\n".join(lines) for lines in groups.values() if lines)
