"""What a measuring run is given, before its first test. Runs in the pytest process."""

from dataclasses import dataclass

import pytest

from pytest_cowmem.files.baseline import check_writable, load
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.model.baseline import Baseline
from pytest_cowmem.model.errors import UsageError
from pytest_cowmem.run.causes import Causes
from pytest_cowmem.run.progress import Progress
from pytest_cowmem.run.reference import Reference
from pytest_cowmem.run.settings import Settings


@dataclass(frozen=True)
class Session:
    """A run's settings, the baseline it compares with, and what its tests share."""

    settings: Settings
    baseline: Baseline
    zygotes: Zygotes
    reference: Reference
    causes: Causes
    progress: Progress


def start(config: pytest.Config) -> Session:
    """Read settings and baseline. pytest.UsageError when either is invalid."""
    try:
        settings = Settings.from_config(config)
        if settings.update is not None:
            check_writable(settings.baseline)
        elif config.getoption("cowmem_baseline") and not settings.baseline.exists():
            raise UsageError(
                f"there is no baseline {settings.baseline}: correct --cowmem-baseline, "
                "or record it with --cowmem-update"
            )
        baseline = load(settings.baseline)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    zygotes = Zygotes(settings.rootdir, settings.path, settings.timeout, settings.own)
    config.add_cleanup(zygotes.close)
    reference = Reference(zygotes, settings.timeout)
    return Session(settings, baseline, zygotes, reference, Causes(), Progress(config))
