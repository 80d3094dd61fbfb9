"""The folders that hold what the tests preload and run."""

from pathlib import Path

SUPPORT = Path(__file__).parent
APPS = SUPPORT / "apps"
EXAMPLE = SUPPORT.parent.parent / "example_project"
