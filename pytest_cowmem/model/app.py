"""What to preload, as the user names it. Runs in the pytest process."""

import ast
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pytest_cowmem.model.errors import UsageError, wrong_and_right

INTERFACES = ("auto", "wsgi")
POLICIES = ("default", "freeze", "off")


@dataclass(frozen=True)
class App:
    """What production preloads in its master: `target` is `module:attr` or `module:factory()`, in gunicorn's syntax.

    `prepare` ("mod:fn") runs in the zygote before forking, `after_fork` ("mod:fn") in each worker before it is ready. `gc` is `default`,
    `freeze`, `off` or thresholds such as "50000,20,100". UsageError for anything that cannot be meant.
    """

    target: str
    interface: str = "auto"
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    pythonpath: Sequence[str] = field(default=(), hash=False)
    prepare: str | None = None
    after_fork: str | None = None
    gc: str = "default"

    def __post_init__(self) -> None:
        parse_target(self.target)
        for name in ("prepare", "after_fork"):
            hook = getattr(self, name)
            if hook is not None and not _is_path(hook):
                raise wrong_and_right(
                    f"{name} must name a function",
                    f"{name}={hook!r}",
                    f'{name}="shop.warm:fill_caches"',
                )
        if self.interface not in INTERFACES:
            known = " and ".join(repr(name) for name in INTERFACES)
            raise wrong_and_right(
                f"only {known} apps can be measured so far",
                f"interface={self.interface!r}",
                'interface="wsgi"',
            )
        check_policy(self.gc)
        if not isinstance(self.pythonpath, (list, tuple)) or not all(
            isinstance(folder, str) for folder in self.pythonpath
        ):
            raise wrong_and_right(
                "pythonpath is a list of folders",
                f"pythonpath={self.pythonpath!r}",
                'pythonpath=["src"]',
            )
        if not isinstance(self.env, Mapping):
            raise wrong_and_right(
                "env maps names to strings", f"env={self.env!r}", 'env={"SHOP_CACHE": "off"}'
            )
        for key, value in self.env.items():
            if (
                not (isinstance(key, str) and isinstance(value, str))
                or not key
                or "=" in key
                or "\0" in key + value
            ):
                raise wrong_and_right(
                    "env maps names to strings",
                    f"env={{{key!r}: {value!r}}}",
                    'env={"SHOP_CACHE": "off"}',
                )

    @property
    def label(self) -> str:
        """The target, with the GC policy where it is not the default."""
        return self.target if self.gc == "default" else f"{self.target}, gc {self.gc}"

    def varied(self, args: Sequence[Any], options: Mapping[str, Any]) -> "App":
        """This app with a marker's options on top; a marker that names a target starts from that one alone."""
        known = {f.name for f in fields(App)} - {"target"}
        for name in options:
            if name not in known:
                raise wrong_and_right(
                    f"cow_app has no option {name!r} (it has {', '.join(sorted(known))})",
                    f"cow_app({name}=...)",
                    'cow_app("shop.wsgi:app", gc="freeze")',
                )
        if len(args) > 1:
            raise wrong_and_right(
                "cow_app takes one app",
                f"cow_app({', '.join(map(repr, args))})",
                f"cow_app({args[0]!r})",
            )
        return App(args[0], **options) if args else replace(self, **options)


def as_app(found: object) -> App:
    """What the cow_app fixture returned, as an App. UsageError when it is none."""
    if isinstance(found, App):
        return found
    if isinstance(found, str):
        return App(found)
    if found is None:
        raise UsageError(
            'there is no app to preload: set cowmem_app = "shop.wsgi:app" in the pytest configuration, '
            "or let the cow_app fixture return one"
        )
    raise wrong_and_right(
        "cow_app returns a string or an App", f"return {found!r}", 'return "shop.wsgi:app"'
    )


def parse_target(target: str) -> tuple[str, tuple[list[Any], dict[str, Any]] | None]:
    """(`module:attr`, None), or (`module:factory`, (args, kwargs)) for a factory call with literal arguments, as gunicorn reads it.

    A bare `module` means `module:application`. UsageError for anything else.
    """
    if not isinstance(target, str):
        raise wrong_and_right("the app is named by a string", f"{target!r}", '"shop.wsgi:app"')
    module, _, expression = target.partition(":")
    expression = expression or ("application" if ":" not in target else "")
    try:
        tree = ast.parse(expression, mode="eval").body
        factory = None
        if isinstance(tree, ast.Call):
            factory = (
                [ast.literal_eval(arg) for arg in tree.args],
                {word.arg or "": ast.literal_eval(word.value) for word in tree.keywords},
            )
            if "" in factory[1]:
                raise ValueError("a mapping unpacked into keywords")
            tree = tree.func
        path = f"{module}:{ast.unparse(tree)}"
    except (SyntaxError, ValueError, TypeError):
        path = ""
    if not _is_path(path):
        raise wrong_and_right(
            "the app must be named as module:attribute or module:factory()",
            f"{target!r}",
            '"shop.wsgi:app" or "shop:create_app()"',
        )
    return path, factory


def check_policy(policy: str) -> None:
    """UsageError unless `policy` is one of POLICIES or one to three thresholds."""
    words = policy.split(",") if isinstance(policy, str) else [""]
    thresholds = len(words) <= 3 and all(
        word.strip().isdecimal() and int(word) < 2**31 for word in words
    )
    if policy not in POLICIES and not thresholds:
        raise wrong_and_right(
            f"a gc policy is {', '.join(POLICIES)} or thresholds",
            f"gc={policy!r}",
            'gc="freeze" or gc="50000,20,100"',
        )


def check_module_exists(target: str, path: Sequence[str]) -> None:
    """UsageError when the module `target` names is nowhere on `path` or in this interpreter; nothing is imported to find out."""
    module = parse_target(target)[0].partition(":")[0]
    places: Sequence[str] | None = [*path, *sys.path]
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        if name in sys.builtin_module_names:
            return
        spec = (
            importlib.machinery.PathFinder.find_spec(name, places) if places is not None else None
        )
        if spec is None and "." not in name:  # an editable install may bring a finder of its own
            spec = importlib.util.find_spec(name)
        if spec is None:
            raise UsageError(
                f"the app {target!r} names no module: there is no {name!r} in {', '.join(path)} or the installed packages; "
                "correct the name, or add its folder to pythonpath"
            )
        places = spec.submodule_search_locations


def _is_path(text: object) -> bool:
    """Whether `text` is dotted.module:dotted.attribute."""
    if not isinstance(text, str):
        return False
    module, colon, attribute = text.partition(":")
    return bool(colon) and all(
        name.isidentifier() for name in (*module.split("."), *attribute.split("."))
    )
