"""The reference: an app that only interpreter and machine can change. Runs in the pytest process.

A profile of the baseline has its figures. They are measured again where a test is red: if they have
moved too, the text says so before it blames the app.
"""

import os
from collections.abc import Iterator, Mapping
from functools import cached_property

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.host.machine import profile_key
from pytest_cowmem.host.round import Round
from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import CowmemError
from pytest_cowmem.model.metrics import MASTER, METRICS, OF_PRIVATE, PRIVATE
from pytest_cowmem.model.units import render

_REQUESTS = ("/read", "/parse", "/keep", "/collect")
_APP = App("pytest_cowmem.zygote.reference:app")
_NAMES = (PRIVATE, "gc_full", MASTER)


class Reference:
    """The reference's figures in this run, measured when they are first asked for."""

    def __init__(self, zygotes: Zygotes, timeout: float) -> None:
        self._zygotes, self._timeout = zygotes, timeout
        self.profile = profile_key(os.environ)

    @cached_property
    def figures(self) -> Mapping[str, int]:
        """Bytes of some metrics; empty where it could not be measured."""
        try:
            zygote = self._zygotes.get(_APP)
            full = zygote.full_collection()
            with CowWorker() as client, Round(zygote, self._timeout) as current:
                client.enter_round(current)
                for path in _REQUESTS:
                    client.get(path)
                values = current.finish(full).values
        except CowmemError:
            return {}
        return {name: values[name] for name in _NAMES if name in values}

    def moved(self, recorded: Mapping[str, int]) -> Iterator[str]:
        """A sentence where figures have moved since they were recorded."""
        changes = [
            f"{name} {render(recorded[name], METRICS[name].unit)} -> {render(now, 'bytes')}"
            for name, now in (self.figures if recorded else {}).items()
            if name in recorded and abs(now - recorded[name]) > OF_PRIVATE.allows(recorded[name])
        ]
        if changes:
            yield (
                "a fixed app of the standard library has moved too since the baseline was written "
                f"({', '.join(changes)}): the interpreter or the machine has changed, so look "
                "there before you blame the app"
            )
