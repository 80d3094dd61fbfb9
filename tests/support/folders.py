"""The project's folder, and those that hold what the tests preload and run."""

from pathlib import Path

SUPPORT = Path(__file__).parent
APPS = SUPPORT / "apps"
ROOT = SUPPORT.parent.parent
EXAMPLE = ROOT / "example_project"
