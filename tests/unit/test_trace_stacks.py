"""Which line a stack is charged to, on frames of code made for it."""

import sys
import weakref
from collections.abc import Callable
from types import CodeType
from typing import Any

import pytest
from jinja2 import Environment, FunctionLoader

from pytest_cowmem.zygote.trace.stacks import StackTable

APP, OWN_MODULE, LIBRARY = "/srv/shop/views.py", "/srv/shop/late.py", "/usr/lib/flask/app.py"
DJANGO = "/usr/lib/django/core/handlers/base.py"
IMPORTLIB = "<frozen importlib._bootstrap>"


Frame = tuple[str, str, dict[str, str]]  # file, function, local variables


def calling(frame: Frame, then: "Callable[[], Any]") -> "Callable[[], Any]":
    """A function that calls `then` in line 3, to have that frame."""
    path, name, variables = frame
    space: dict[str, Any] = {"then": then}
    arguments = ", ".join(f"{key}={value!r}" for key, value in variables.items())
    function = name.rpartition(".")[2]
    exec(compile(f"def {function}({arguments}):\n\n    return then()\n", path, "exec"), space)
    made: Callable[[], Any] = space[function]
    made.__code__ = made.__code__.replace(co_qualname=name)  # type: ignore[attr-defined]
    return made


@pytest.fixture
def table() -> StackTable:
    return StackTable(["/srv/shop"])


def row(table: StackTable, *stack: Frame) -> "tuple[Any, ...]":
    """What a stack is charged to. Its outermost frame comes first.

    The tracer numbers what it meets; so does this.
    """

    def end() -> Any:
        frame = sys._getframe(1)
        return table.named(table.key(frame, frame.f_lineno))

    function: Callable[[], Any] = end
    for frame in reversed(stack):
        function = calling(frame, function)
        table.number(function.__code__)
    charged: tuple[Any, ...] = function()
    return charged


def importing(module: str) -> Frame:
    return IMPORTLIB, "_find_and_load", {"name": module}


def test_a_line_of_the_app_stands_alone(table: StackTable) -> None:
    stack = (LIBRARY, "serve", {}), (APP, "view", {})
    assert row(table, *stack) == (APP, 3, "view", None, 0, "", None)


def test_a_librarys_line_stands_beside_the_line_that_led_there(table: StackTable) -> None:
    stack = (APP, "outer", {}), (APP, "view", {}), (LIBRARY, "render", {}), (LIBRARY, "inner", {})
    assert row(table, *stack) == (APP, 3, "view", LIBRARY, 3, "inner", None)


def test_a_library_alone_has_no_line_of_the_app(table: StackTable) -> None:
    assert row(table, (LIBRARY, "serve", {})) == (None, 0, "", LIBRARY, 3, "serve", None)


WSGI = {"environ": "", "start_response": ""}


@pytest.mark.parametrize(
    "entry",
    [
        (LIBRARY, "__call__", {"self": "", **WSGI}),
        (LIBRARY, "wsgi", {"env": "", "start_response": ""}),
        (DJANGO, "convert_exception_to_response.<locals>.inner", {"request": ""}),
        (DJANGO, "MiddlewareMixin.__call__", {"self": "", "request": ""}),
        (DJANGO, "BaseHandler.get_response", {"self": "", "request": ""}),
    ],
)
def test_a_line_that_passes_a_request_on_is_not_charged_for_it(
    table: StackTable, entry: Frame
) -> None:
    wrappers = (APP, "outer", {}), (APP, "wrapper", {}), (LIBRARY, "decorated", {})
    within = (LIBRARY, "render", {}), (LIBRARY, "inner", {})
    assert row(table, *wrappers, entry, *within) == (None, 0, "", LIBRARY, 3, "inner", None)
    assert row(table, *wrappers, entry, (APP, "view", {}), *within) == (
        *(APP, 3, "view"),
        *(LIBRARY, 3, "inner", None),
    )
    assert row(table, *wrappers) == (APP, 3, "wrapper", LIBRARY, 3, "decorated", None)


def test_a_wrapper_is_charged_for_its_own_lines(table: StackTable) -> None:
    wrapper = APP, "__call__", {"self": "", **WSGI}
    assert row(table, (APP, "outer", {}), wrapper)[:3] == (APP, 3, "__call__")
    assert row(table, (APP, "outer", {}), wrapper, (LIBRARY, "log", {})) == (
        *(APP, 3, "__call__"),
        *(LIBRARY, 3, "log", None),
    )


@pytest.mark.parametrize(
    "called",
    [
        (LIBRARY, "inner", {"request": ""}),
        (LIBRARY, "__call__", {"self": "", "request": ""}),
        (LIBRARY, "authenticate", {"request": ""}),
        (LIBRARY, "start_response", {"environ": ""}),
    ],
)
def test_a_call_with_a_request_is_not_yet_passing_it_on(table: StackTable, called: Frame) -> None:
    assert row(table, (APP, "view", {}), called)[:3] == (APP, 3, "view")


def test_an_import_below_an_app_is_charged_to_no_line_that_passed_on(table: StackTable) -> None:
    wrapper, app = (APP, "wrapper", {}), (LIBRARY, "wsgi", WSGI)
    late = importing("late"), (LIBRARY, "module", {})
    assert row(table, wrapper, app, *late) == (None, 0, "", LIBRARY, 3, "module", ("late", "late"))
    assert row(table, wrapper, *late, app)[:3] == (APP, 3, "wrapper")


def test_no_frame_at_all_has_no_line(table: StackTable) -> None:
    assert table.named(table.key(None, 0)) == (None, 0, "", None, 0, "", None)


def test_an_import_is_charged_to_the_line_above_the_outermost(table: StackTable) -> None:
    stack = (
        (APP, "view", {}),
        importing("late"),
        (OWN_MODULE, "outer", {}),
        importing("late.inner"),
        (OWN_MODULE, "inner", {}),
        (LIBRARY, "helper", {}),
    )
    beside = (OWN_MODULE, 3, "inner")
    assert row(table, *stack) == (APP, 3, "view", *beside, ("late", "late.inner"))


def test_an_import_of_a_library_keeps_the_librarys_line(table: StackTable) -> None:
    stack = (APP, "view", {}), importing("flask"), (LIBRARY, "module", {})
    assert row(table, *stack) == (APP, 3, "view", LIBRARY, 3, "module", ("flask", "flask"))


def test_an_import_that_no_line_of_the_app_asked_for(table: StackTable) -> None:
    stack = (LIBRARY, "serve", {}), importing("late"), (OWN_MODULE, "module", {})
    assert row(table, *stack) == (OWN_MODULE, 3, "module", None, 0, "", ("late", "late"))


def test_imports_are_numbered_once_each(table: StackTable) -> None:
    names = [row(table, (APP, "view", {}), importing(module))[-1] for module in "aba"]
    assert names == [("a", "a"), ("b", "b"), ("a", "a")]
    assert len(table._imports) == 3


def body_of(path: str, source: str = "def view(): pass") -> CodeType:
    """The code object of a whole module."""
    return compile(source, path, "exec")


@pytest.mark.parametrize("path", [LIBRARY, "<template>", "/srv/shop/templates/cart.html"])
def test_what_runs_once_is_not_kept(table: StackTable, path: str) -> None:
    code = body_of(path)
    gone = weakref.ref(code)
    number = table.number(code)
    del code
    assert gone() is None
    assert table.number(body_of(path, "AT = 1")) == number < 0
    assert table.number(body_of("/usr/lib/flask/ctx.py")) == number - 1
    line = 1 if path.startswith("/srv/shop") else 3
    assert table.named((0, 0, number, 3, 0))[3:6] == (path, line, "<module>")


def test_a_line_of_a_template_is_the_templates_own(table: StackTable) -> None:
    rows = []

    def probe() -> str:
        frame = sys._getframe(1)
        rows.append(table.named(table.key(frame, frame.f_lineno)))
        return ""

    source = "{{ probe() }}\n\n{% for _ in 'ab' %}\n<p>\n  {{ probe() }}{% endfor %}"
    loader = FunctionLoader(lambda _: (source, "/srv/shop/templates/cart.html", None))
    Environment(loader=loader, autoescape=True).get_template("cart").render(probe=probe)
    assert [row[:2] for row in rows] == [
        ("/srv/shop/templates/cart.html", line) for line in (1, 5, 5)
    ]


@pytest.mark.parametrize("lines", ["", "1=2=3", "a=b"])
def test_what_is_no_template_keeps_its_lines(table: StackTable, lines: str) -> None:
    space: dict[str, Any] = {"debug_info": lines, "sys": sys}
    exec(compile("\ndef view():\n  return sys._getframe()", "/srv/shop/view.rules", "exec"), space)
    frame = space["view"]()
    assert table.named(table.key(frame, 3))[:2] == ("/srv/shop/view.rules", 3 if lines else 1)


def test_functions_and_the_modules_of_the_app_are_kept(table: StackTable) -> None:
    kept = [body_of(LIBRARY).co_consts[0], body_of(APP)]
    assert [table.number(code) for code in kept] == list(map(id, kept))
    assert table.app_code() == kept[1:]


def test_only_numbered_code_of_the_app_is_app_code(table: StackTable) -> None:
    row(table, (APP, "view", {}), (LIBRARY, "render", {}))
    assert [code.co_name for code in table.app_code()] == ["view"]


def test_only_pythons_own_import_is_an_import(table: StackTable) -> None:
    for path in (APP, "<frozen zipimport>"):
        named_alike = path, "_find_and_load", {"name": "late"}
        assert row(table, (APP, "view", {}), named_alike)[-1] is None
    assert row(table, (APP, "view", {}), (IMPORTLIB, "_load", {"name": "late"}))[-1] is None
