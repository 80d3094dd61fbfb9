"""How an app is named: in gunicorn's syntax, which is read as literals and never run."""

import keyword
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_cowmem.model.app import App, parse_target
from pytest_cowmem.model.errors import UsageError

names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)
dotted = st.lists(names, min_size=1, max_size=3).map(".".join)
literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=6,
)


@given(module=dotted, attribute=dotted)
def test_an_attribute(module, attribute):
    assert parse_target(f"{module}:{attribute}") == (f"{module}:{attribute}", None)


@given(module=dotted)
def test_a_module_alone(module):
    assert parse_target(module) == (module, None)


@given(
    module=dotted,
    attribute=dotted,
    args=st.lists(literals, max_size=3),
    kwargs=st.dictionaries(names, literals, max_size=3),
)
def test_a_factory_with_literal_arguments(module, attribute, args, kwargs):
    words = [repr(arg) for arg in args] + [f"{name}={value!r}" for name, value in kwargs.items()]
    assert parse_target(f"{module}:{attribute}({', '.join(words)})") == (
        f"{module}:{attribute}",
        (args, kwargs),
    )


@given(text=st.text())
def test_anything_else_is_a_usage_error_that_shows_the_right_line(text):
    try:
        path, _ = parse_target(text)
    except UsageError as error:
        refusal = str(error)
    else:
        words = path.replace(":", ".", 1).split(".")
        assert all(word.isidentifier() for word in words)
        return
    assert f"wrong: {text!r}" in refusal
    assert "right: " in refusal


@pytest.mark.parametrize(
    "target",
    [
        "",
        ":app",
        "shop:",
        "shop.wsgi app",
        "shop:app.",
        "shop..wsgi:app",
        "shop:make(name)",
        "shop:make(open('x'))",
        "shop:make(*[1])",
        "shop:make(**{'a': 1})",
        "shop:make({[]: 1})",
        "shop:make()()",
        "shop:make() or app",
        "shop:apps[0]",
        "shop/wsgi.py:app",
        None,
        3,
    ],
)
def test_what_names_no_app(target):
    with pytest.raises(UsageError):
        parse_target(target)


@pytest.mark.parametrize(
    "policy", ["default", "freeze", "off", "700", "50000,20", "50000, 20, 100", "0,0,0"]
)
def test_gc_policies(policy):
    assert App("shop:app", gc=policy).checked().gc == policy


@pytest.mark.parametrize("policy", ["", "frozen", "1,2,3,4", "-1", "1.5", "700,", None, 700])
def test_what_is_no_gc_policy(policy):
    with pytest.raises(UsageError, match="right: gc="):
        App("shop:app", gc=policy).checked()


@pytest.mark.parametrize(
    ("options", "right"),
    [
        ({"interface": "wsgy"}, 'interface="asgi"'),
        ({"preload": "numpy"}, 'preload=["numpy", "shop.models"]'),
        ({"preload": ["shop:models"]}, 'preload=["numpy", "shop.models"]'),
        ({"prepare": "no_colon"}, "prepare="),
        ({"after_fork": "a:b()"}, "after_fork="),
        ({"pythonpath": "src"}, 'pythonpath=["src"]'),
        ({"env": {"A": 1}}, 'env={"SHOP_CACHE": "off"}'),
    ],
)
def test_an_invalid_option_is_refused_with_the_right_line(options, right):
    with pytest.raises(UsageError) as caught:
        App("shop:app", **options).checked()
    assert right in str(caught.value).partition("right: ")[2]


def test_an_invalid_variable_is_shown_without_the_others():
    with pytest.raises(UsageError) as caught:
        App("shop:app", env={"TOKEN": "secret", "A=B": "1"}).checked()
    assert "wrong: env={'A=B': '1'}" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_marker_varies_the_app():
    base = App("shop:app", gc="off")
    assert base.varied((), {"env": {"A": "1"}}) == App("shop:app", gc="off", env={"A": "1"})
    assert base.varied(("other:app",), {"prepare": "a:b"}) == App("other:app", prepare="a:b")
    with pytest.raises(UsageError, match="no option 'frozen'"):
        base.varied((), {"frozen": True})
    with pytest.raises(UsageError, match="takes one app"):
        base.varied(("a:b", "c:d"), {})


def test_a_server_is_part_of_the_name():
    app = App("shop.wsgi:app", server="gunicorn", gc="freeze")
    assert app.checked().label == "shop.wsgi:app, server gunicorn, gc freeze"
    assert app.built_in == App("shop.wsgi:app", gc="freeze")


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("uvicorn", 'share nothing with it: run the app with server="gunicorn"'),
        ("granian", 'share nothing with it: run the app with server="gunicorn"'),
        ("uwsgi", "leave server out, since the built-in zygote forks alike"),
        ("apache", "the only server that can be the master is gunicorn"),
        (8000, "the only server that can be the master is gunicorn"),
        ([], "the only server that can be the master is gunicorn"),
    ],
    ids=str,
)
def test_another_server_cannot_be_the_master(server, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        App("shop.wsgi:app", server=server).checked()


def test_a_real_servers_workers_have_no_tree():
    with pytest.raises(UsageError, match="leave server or tree out"):
        App("shop.wsgi:app", server="gunicorn", tree=True).checked()
