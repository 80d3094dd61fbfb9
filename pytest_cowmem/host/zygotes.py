"""The zygotes of a run. Runs in the pytest process."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_cowmem.host.gunicorn import Gunicorn
from pytest_cowmem.host.zygote import Zygote
from pytest_cowmem.model.app import App
from pytest_cowmem.model.baseline import LAYOUTS
from pytest_cowmem.model.errors import AppFailed

# The first layout is one like the others. Without ballast private memory was 30 to 60 KiB below
# their mean, so that as much of a regression was hidden in it.
_SEEDS = range(1, LAYOUTS + 1)

_MASTERS: Mapping[str | None, type[Zygote]] = {None: Zygote, "gunicorn": Gunicorn}


class Zygotes:
    """The zygotes of a run: one for each app and layout, started when a test first asks for it."""

    def __init__(
        self, rootdir: Path, path: Sequence[str], timeout: float, own: Sequence[str] = ()
    ) -> None:
        self._rootdir, self._path, self._timeout, self._own = rootdir, path, timeout, own
        self._zygotes: dict[tuple[App, int, bool], Zygote] = {}
        self._failed: dict[App, str] = {}
        self._folder = TemporaryDirectory(prefix="pytest-cowmem-")
        self._bytecode = self._subfolder("bytecode")
        self._started = 0

    def get(self, app: App) -> Zygote:
        """The running zygote of `app`. AppFailed, with the traceback the first time only."""
        if app in self._failed:
            raise AppFailed(self._failed[app])
        try:
            return self._in_layout(app, _SEEDS[0])
        except AppFailed as error:
            line, _, traceback = str(error).partition("\n")
            shown = " (its traceback is shown with the first test that needed it)"
            self._failed[app] = line + (shown if traceback else "")
            raise

    def raw(self, app: App, layout: int = 0) -> Zygote:
        """The zygote that forks molds of `app` in one of LAYOUTS. AppFailed where it cannot."""
        return self._in_layout(app, _SEEDS[layout], raw=True)

    def begin_raw(self, app: App, layout: int) -> None:
        """Start such a zygote, and do not wait for it."""
        self._begin(app, _SEEDS[layout], raw=True)

    def others(self, app: App) -> Iterator[Zygote]:
        """Zygotes of `app` in other layouts, one after another. AppFailed where one cannot start.

        As many are started at a time as there are processors.
        """
        processors = len(os.sched_getaffinity(0))
        for first in range(1, len(_SEEDS), processors):
            seeds = _SEEDS[first : first + processors]
            for seed in seeds:
                self._begin(app, seed)
            for seed in seeds:
                yield self._in_layout(app, seed)

    def _in_layout(self, app: App, seed: int, raw: bool = False) -> Zygote:
        """The running zygote of a layout."""
        zygote = self._begin(app, seed, raw)
        if not zygote.ready:
            try:
                zygote.wait_for_app()
            except BaseException:
                del self._zygotes[app, seed, raw]
                raise
        return zygote

    def _begin(self, app: App, seed: int, raw: bool = False) -> Zygote:
        """A zygote that is alive, whose app may not be loaded yet."""
        zygote = self._zygotes.get((app, seed, raw))
        if zygote is not None and zygote.ready and not zygote.alive:
            zygote.close()
            zygote = None
        if zygote is None:
            zygote = _MASTERS[app.server](
                app,
                self._rootdir,
                self._path,
                self._timeout,
                seed,
                self._bytecode,
                self._own,
                raw,
                self._gc_speed(app, seed, raw),
                self._own_folder(),
            )
            self._zygotes[app, seed, raw] = zygote
        return zygote

    def _gc_speed(self, app: App, seed: int, raw: bool) -> int:
        """What is known of a zygote whose times nobody reads: of the app's first one; else 0."""
        first = self._zygotes.get((app, _SEEDS[0], False))
        timed = raw or seed == _SEEDS[0]
        return 0 if timed or first is None or not first.ready else first.facts.gc_speed

    def _own_folder(self) -> str:
        """A folder for one zygote. All names are as long, since they are in its memory."""
        self._started += 1
        return self._subfolder(f"{self._started:08}")

    def _subfolder(self, name: str) -> str:
        folder = Path(self._folder.name, name)
        folder.mkdir()
        return str(folder)

    def close(self) -> None:
        """End them all."""
        while self._zygotes:
            self._zygotes.popitem()[1].close()
        self._folder.cleanup()
