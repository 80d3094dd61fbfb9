"""What to preload, as the user names it. Runs in the pytest process."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pytest_cowmem.model.errors import UsageError, wrong_and_right

INTERFACES = ("auto", "wsgi", "asgi", "call")
POLICIES = ("default", "freeze", "off")
SERVERS = (None, "gunicorn")
# Why another server cannot be the master, and what to do about it.
_SPAWNS = (
    "its workers are processes of their own, which share nothing with it: "
    'run the app with server="gunicorn", and worker_class = "asgi" in gunicorn.conf.py'
)
_OTHER_SERVERS = {
    "uvicorn": _SPAWNS,
    "granian": _SPAWNS,
    "uwsgi": "only gunicorn can so far: leave server out, since the built-in zygote forks alike",
}

FactoryCall = tuple[list[Any], dict[str, Any]]  # its arguments


@dataclass(frozen=True)
class App:
    """What production preloads in its master.

    `target` is `module:attr` or `module:factory()`, in gunicorn's syntax, or a module alone. The
    modules of `preload` are imported before it. `prepare` ("mod:fn") runs in the zygote before
    forking, `after_fork` ("mod:fn") in each worker before it is ready. `gc` is `default`, `freeze`,
    `off` or thresholds such as "50000,20,100". `tree` counts what a worker's own descendants take,
    too. `server` names the real server that is to be the master, "gunicorn", where the built-in
    zygote is not.

    `functions` is no option: it has the module of a test whose functions workers call, and the
    folder where that is.

    A field may be invalid until the app is `checked`: what a module makes at its top is an error of
    the tests that use it, and does not keep pytest from collecting all others.
    """

    target: str
    interface: str = "auto"
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    pythonpath: Sequence[str] = field(default=(), hash=False)
    prepare: str | None = None
    after_fork: str | None = None
    gc: str = "default"
    preload: Sequence[str] = field(default=(), hash=False)
    tree: bool = False
    server: str | None = None
    functions: tuple[str, str] | None = None

    def checked(self) -> "App":
        """This app. UsageError for the first field that is invalid."""
        parse_target(self.target)
        _check_environment(self.env)
        _check_server(self.server)
        for name, (is_valid, problem, right) in _CHECKS.items():
            value = getattr(self, name)
            if not is_valid(value):
                raise wrong_and_right(problem, f"{name}={value!r}", f"{name}={right}")
        if self.server and self.tree:
            raise UsageError(
                "tree=True counts the forks of the built-in zygote's workers, and not those of "
                f"{self.server}'s: leave server or tree out"
            )
        return self

    @property
    def label(self) -> str:
        """The target, with the server, and the GC policy where it is not the default."""
        server = f", server {self.server}" if self.server else ""
        policy = "" if self.gc == "default" else f", gc {self.gc}"
        return f"{self.target}{server}{policy}"

    @property
    def built_in(self) -> "App":
        """The same app in the built-in zygote, which alone can be traced and follow policies."""
        return replace(self, server=None)

    @property
    def options(self) -> dict[str, str]:
        """What it has beside its label, by option, and by variable of `env` ("env SHOP_CACHE")."""
        named = {
            "server": self.server,
            "interface": "" if self.interface == "auto" else self.interface,
            "pythonpath": ":".join(self.pythonpath),
            "prepare": self.prepare,
            "after_fork": self.after_fork,
            "preload": ", ".join(self.preload),
            "functions of": self.functions and self.functions[0],
            "tree": "on" if self.tree else "",
        }
        options = {name: value for name, value in named.items() if value}
        return options | {f"env {name}": value for name, value in self.env.items()}

    def varied(self, args: Sequence[Any], options: Mapping[str, Any]) -> "App":
        """This app with a `cow_app` marker's options; one that names a target starts afresh.

        UsageError for an option that is unknown or invalid.
        """
        names = {option.name for option in fields(App)}
        allowed = sorted(names - {"target", "functions"})
        for name in options:
            if name not in allowed:
                raise wrong_and_right(
                    f"cow_app has no option {name!r} (it has {', '.join(allowed)})",
                    f"cow_app({name}=...)",
                    'cow_app("shop.wsgi:app", gc="freeze")',
                )
        if len(args) > 1:
            wrong = ", ".join(repr(arg) for arg in args)
            right = f"cow_app({args[0]!r})"
            raise wrong_and_right("cow_app takes one app", f"cow_app({wrong})", right)
        varied = App(args[0], **options) if args else replace(self, **options)
        return varied.checked()


def as_app(returned: object) -> App:
    """What the `cow_app` fixture returned, as an App. UsageError when it is none, or invalid."""
    if isinstance(returned, App):
        return returned.checked()
    if isinstance(returned, str):
        return App(returned).checked()
    if returned is None:
        raise UsageError(
            'there is no app to preload: set cowmem_app = "shop.wsgi:app" in the pytest '
            "configuration, or let the cow_app fixture return one"
        )
    raise wrong_and_right(
        "cow_app returns a string or an App", f"return {returned!r}", 'return "shop.wsgi:app"'
    )


def parse_target(target: str) -> tuple[str, FactoryCall | None]:
    """(`module:attr`, None), or (`module:factory`, (args, kwargs)) for a factory call.

    The arguments are literals. A module alone stays one.
    """
    if not isinstance(target, str):
        raise wrong_and_right("the app is named by a string", f"{target!r}", '"shop.wsgi:app"')
    module, colon, expression = target.partition(":")
    if not colon and is_module(module):
        return module, None
    try:
        attribute, call = _parse_expression(expression)
        path = f"{module}:{attribute}"
    except (SyntaxError, ValueError, TypeError):
        path, call = "", None
    if not _is_path(path):
        raise wrong_and_right(
            "the app must be named as module:attribute, module:factory() or a module alone",
            f"{target!r}",
            '"shop.wsgi:app" or "shop:create_app()"',
        )
    return path, call


def _parse_expression(expression: str) -> tuple[str, FactoryCall | None]:
    """(what is named, the arguments where it is called). SyntaxError, ValueError or TypeError."""
    tree = ast.parse(expression, mode="eval").body
    if not isinstance(tree, ast.Call):
        return ast.unparse(tree), None
    args = [ast.literal_eval(arg) for arg in tree.args]
    kwargs = {}
    for keyword in tree.keywords:
        if keyword.arg is None:
            raise ValueError("a mapping unpacked into keywords")
        kwargs[keyword.arg] = ast.literal_eval(keyword.value)
    return ast.unparse(tree.func), (args, kwargs)


def _check_environment(env: object) -> None:
    """UsageError unless `env` maps names to strings that a process can be started with."""
    wrong = env
    if isinstance(env, Mapping):
        invalid = [name for name, value in env.items() if not _is_variable(name, value)]
        if not invalid:
            return
        wrong = {invalid[0]: env[invalid[0]]}  # this one alone: the others may be secrets
    right = 'env={"SHOP_CACHE": "off"}'
    raise wrong_and_right("env maps names to strings", f"env={wrong!r}", right)


def _check_server(server: object) -> None:
    """UsageError unless `server` can be the master."""
    if server in SERVERS:
        return
    known = isinstance(server, str) and server in _OTHER_SERVERS
    raise wrong_and_right(
        f"{server} cannot be the master, since {_OTHER_SERVERS[str(server)]}"
        if known
        else "the only server that can be the master is gunicorn",
        f"server={server!r}",
        'server="gunicorn"',
    )


def _is_variable(name: object, value: object) -> bool:
    if not isinstance(name, str) or not isinstance(value, str):
        return False
    return bool(name) and "=" not in name and "\0" not in name + value


def is_policy(value: object) -> bool:
    """Whether `value` is one of POLICIES, or one to three thresholds in C ints."""
    if not isinstance(value, str):
        return False
    words = [word.strip() for word in value.split(",")]
    ints = all(word.isdecimal() and int(word) < 2**31 for word in words)
    return value in POLICIES or (ints and len(words) <= 3)


def _is_path(text: object) -> bool:
    """Whether `text` is dotted.module:dotted.attribute."""
    if not isinstance(text, str):
        return False
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    return bool(colon) and all(name.isidentifier() for name in names)


def is_module(name: object) -> bool:
    """Whether `name` is dotted identifiers."""
    return isinstance(name, str) and all(part.isidentifier() for part in name.split("."))


def _is_modules(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(map(is_module, value))


def _is_hook(value: object) -> bool:
    return value is None or _is_path(value)


def _is_folders(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(folder, str) for folder in value)


# field of App: (whether a value is valid, what to say where it is not, a valid value as written)
_CHECKS: dict[str, tuple[Callable[[object], bool], str, str]] = {
    "prepare": (_is_hook, "prepare must name a function", '"shop.warm:fill_caches"'),
    "after_fork": (_is_hook, "after_fork must name a function", '"shop.warm:fill_caches"'),
    "gc": (
        is_policy,
        f"a gc policy is {', '.join(POLICIES)} or thresholds",
        '"freeze" or gc="50000,20,100"',
    ),
    "interface": (
        lambda value: value in INTERFACES,
        f"an interface is one of {', '.join(INTERFACES)}",
        '"asgi"',
    ),
    "pythonpath": (_is_folders, "pythonpath is a list of folders", '["src"]'),
    "preload": (_is_modules, "preload is a list of modules", '["numpy", "shop.models"]'),
    "tree": (lambda value: isinstance(value, bool), "tree is True or False", "True"),
}
