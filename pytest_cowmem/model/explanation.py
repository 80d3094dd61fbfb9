"""Temporary."""

from pytest_cowmem.explain.explanation import *  # noqa: F403
from pytest_cowmem.explain.explanation import Explanation as Explanation
