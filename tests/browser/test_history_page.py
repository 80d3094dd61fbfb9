"""The page of `cowmem history` in a browser."""

import pytest
from page_checks import POOR_CONTRASTS, SCHEMES, WIDTHS, focusable, overflow
from records import ENVIRONMENT, MIB, entry

from pytest_cowmem.judge.history import history
from pytest_cowmem.model.baseline import Baseline, Profile
from pytest_cowmem.model.history import Change, Version
from pytest_cowmem.report.history_page import dumps

TEST = "tests/test_a_shop.py::test_a_page_of_products[with-a-rather-long-parameter]"


def versions(*amounts):
    """Versions of a baseline with one test, of so many private bytes each."""
    return [
        Version(
            Change(f"{number:040x}", f"2026-11-{number + 1:02}", "Change it"),
            Baseline({"linux-x": Profile(ENVIRONMENT, {TEST: entry(private=amount)})}),
        )
        for number, amount in enumerate(amounts)
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_charts_are_drawn_and_nothing_overflows(show, width, scheme):
    found = history(versions(5 * MIB, 5 * MIB, 7 * MIB, 6 * MIB))
    page = show(dumps(found), width, color_scheme=scheme)
    chart = page.get_by_role("img", name="from 5.00 MiB to 6.00 MiB")
    assert chart.locator("polyline").evaluate("it => it.getBBox().width") > 100
    assert chart.locator(".moved").count() == 2
    assert overflow(page) <= 0
    assert page.evaluate(POOR_CONTRASTS) == []
    assert {role for role, has_name in focusable(page) if not has_name} - {"RootWebArea"} == set()
