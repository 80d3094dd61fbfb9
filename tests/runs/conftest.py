"""Whole runs measure two layouts of the five, but in the tests that are about layouts."""

import pytest


@pytest.fixture(autouse=True)
def fewer_layouts(request: pytest.FixtureRequest) -> None:
    """An update and a test in doubt start two zygotes, unless a test is marked `five_layouts`."""
    if request.node.get_closest_marker("five_layouts") is None:
        request.getfixturevalue("two_layouts")
