"""The lines to paste, each executed by the server that they are for."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from itertools import takewhile
from textwrap import dedent

import pytest
from folders import APPS
from servers import PRELOADED, celery, celery_settings, gunicorn, memory, uwsgi

from pytest_cowmem.host.client import CowWorker
from pytest_cowmem.judge.what_if import recommended
from pytest_cowmem.model.app import App
from pytest_cowmem.model.policy import ALL, Policy
from pytest_cowmem.report.paste import Followed, paste
from pytest_cowmem.run.what_if import Replays, what_if

TARGET = "pasted:app"
REQUESTS = (("/keep", "20000"), ("/late", ""), ("/read", ""))
LATE = ("pydoc_data.topics",)
MALLOC = (("PYTHONMALLOC", "malloc"),)
POLICIES = {
    "collector off": Policy(gc="off"),
    "frozen": Policy(freeze=True),
    "prewarmed, frozen": Policy(requests=ALL, freeze=True),
    "all but serving": Policy(LATE, 0, True, "50000,20,100", MALLOC),
    "all": Policy(LATE, ALL, True, "900,20,100", MALLOC),
}


def lines(name, place):
    """The lines of a policy for a server, and the variables that it is to be started with."""
    found = dict(paste(Followed(POLICIES[name], TARGET, REQUESTS)))
    text = next(text for key, text in found.items() if place in key)
    return text, started_with(text)


def started_with(text):
    asked = "# start it with "
    started = [line.removeprefix(asked) for line in text.splitlines() if line.startswith(asked)]
    return dict(line.split("=", 1) for line in started)


def offered(place):
    """The policies that a server can follow."""
    return [
        name
        for name, policy in POLICIES.items()
        if any(place in key for key, _ in paste(Followed(policy, TARGET, REQUESTS)))
    ]


def follows(name, state):
    """Whether a worker is as its policy says."""
    policy = POLICIES[name]
    assert state["collects"] == (policy.gc != "off")
    assert state["frozen"] == policy.freeze
    if policy.gc not in ("", "off"):
        assert list(state["thresholds"]) == [int(word) for word in policy.gc.split(",")]
    assert state["imported"] == (policy.requests > 0 or bool(policy.imports))
    assert state["warm"] == (policy.requests > 0)
    assert state["malloc"] == dict(policy.environ).get("PYTHONMALLOC")


@pytest.mark.parametrize("name", offered("gunicorn"))
def test_gunicorn_follows_its_lines(tmp_path, name):
    text, env = lines(name, "gunicorn")
    with gunicorn(TARGET, tmp_path, config=text, env=env) as server:
        follows(name, server.client.get("/state").json())


@pytest.mark.parametrize("name", offered("uWSGI"))
def test_uwsgi_follows_its_lines(tmp_path, name):
    pytest.importorskip("pyuwsgi")
    text, env = lines(name, "uWSGI")
    (tmp_path / "lines.py").write_text(text)
    with uwsgi("lines", tmp_path, path=(APPS, tmp_path), env=env) as server:
        follows(name, server.client.get("/state").json())


@pytest.mark.parametrize("name", offered("Celery"))
def test_celery_follows_its_lines(tmp_path, name):
    text, env = lines(name, "Celery")
    # `pasted` is loaded as an include: what is frozen has it.
    (tmp_path / "tasks.py").write_text(
        f"""
from celery import Celery

app = Celery("tasks", include=["pasted"])
app.conf.update({celery_settings(tmp_path)})

@app.task
def state():
    import pasted
    return pasted.state()

{text}
"""
    )
    follows(name, celery("tasks", "state", tmp_path, path=(APPS, tmp_path), env=env))


POOL = """
import json, multiprocessing, pasted

if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lines"])
    with context.Pool(1) as pool:
        print(json.dumps(pool.apply(pasted.state)))
"""


@pytest.mark.parametrize("name", offered("forkserver"))
def test_a_forkserver_follows_its_lines(tmp_path, name):
    text, env = lines(name, "forkserver")
    (tmp_path / "lines.py").write_text(text)
    (tmp_path / "pool.py").write_text(POOL)
    modules = os.pathsep.join([str(APPS), str(tmp_path)])
    told = subprocess.run(
        [sys.executable, tmp_path / "pool.py"],
        env=os.environ | env | {"PYTHONPATH": modules},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    follows(name, json.loads(told.stdout))


SHOP = "collecting_shop:app"
# The last is a full collection, which each worker has some day.
BROWSING = ["/feed", "/find/a?q=1", "/find/b", "/feed", "/collect"]


def browse(client):
    for path in BROWSING:
        client.get(path).raise_for_status()


def told(zygotes, policy):
    """What the shop costs as it is configured and under a policy, over five layouts."""
    client = CowWorker()

    @contextmanager
    def running(opened):
        with opened as current:
            client.enter_round(current)
            yield current

    replays = Replays(zygotes, App(SHOP), 60, lambda: browse(client), running, print)
    return what_if(replays, [policy], 2**30)


def costs(folder, config, env=None):
    """The metrics `private` and `aged` of a gunicorn's worker that was browsed, in bytes."""
    folder.mkdir()
    with gunicorn(SHOP, folder, config=config, env=env) as server:
        (worker,) = server.workers
        ready = memory(worker)
        browse(server.client)
        end = memory(worker)
        server.client.get("/collect").raise_for_status()
        aged = memory(worker)
    return {"private": end.private_dirty - ready.private_dirty, "aged": aged.uss}


def gains(folder, text):
    """What a gunicorn's worker saves by pasted lines, by metric, in bytes."""
    before = costs(folder / "before", PRELOADED)
    after = costs(folder / "after", text, started_with(text))
    return {metric: before[metric] - after[metric] for metric in before}


# Freezing saves what a collection un-shares of gunicorn's own modules too: 0.3 MiB more than of
# the shop, whose Flask imports much of the same. Prewarming saves 0.5 MiB less than is told, since
# gunicorn's own work for a request writes to some of the same pages.
@pytest.mark.usefixtures("two_layouts")
def test_gunicorn_gains_by_freezing_what_the_table_says(fresh_zygotes, tmp_path):
    best = recommended([told(fresh_zygotes, POLICIES["frozen"])])
    assert best is not None
    text = dict(paste(Followed(best.policy, SHOP, best.requests)))["gunicorn.conf.py"]
    gained = gains(tmp_path, text)
    assert gained["private"] == pytest.approx(-best.changes["private"], rel=0.1)
    assert gained["aged"] == pytest.approx(-best.changes["aged"], rel=0.1)


@pytest.mark.usefixtures("two_layouts")
def test_gunicorn_gains_what_a_run_says_by_the_lines_that_it_prints(project, tmp_path, pytester):
    run = project(
        f"""
        def test_browsing(cow_worker):
            for path in {BROWSING}:
                cow_worker.get(path).raise_for_status()
        """,
        "--cowmem-what-if",
        "--cowmem-update",
        app=SHOP,
    )
    run.assert_outcomes(passed=1)
    (profile,) = json.loads((pytester.path / "cowmem-baseline.json").read_text())[
        "profiles"
    ].values()
    ((_, entry),) = profile["tests"].items()
    gained = gains(tmp_path, printed(run.outlines, "gunicorn.conf.py"))
    assert gained["private"] == pytest.approx(-entry["what_if"]["private"], rel=0.1)
    assert gained["aged"] == pytest.approx(-entry["what_if"]["aged"], rel=0.1)


def printed(shown, place):
    """The lines that a run has shown under a heading, without their indent."""
    rest = shown[shown.index(f"  {place}:") + 1 :]
    return dedent("\n".join(takewhile(lambda line: not line or line.startswith("    "), rest)))
