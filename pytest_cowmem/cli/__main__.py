"""`python -m pytest_cowmem.cli`: the `cowmem` command."""

from pytest_cowmem.cli import main

raise SystemExit(main())
