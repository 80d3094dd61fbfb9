"""Whatever went wrong, no process, no descriptor and no program of the app is left behind.

No network port is ever opened.
"""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing, suppress

import psutil
import pytest
from folders import APPS

from pytest_cowmem.host.zygotes import Zygotes
from pytest_cowmem.model.app import App
from pytest_cowmem.model.errors import CannotMeasure, CowmemError

SLEEP = "import time; time.sleep(600)"
PATIENCE = 10.0  # seconds for the kernel to end processes


def eventually(condition):
    """Return whether the condition comes true within PATIENCE."""
    give_up = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.01)
    return condition()


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def told(process, question):
    """Return what psutil says of a process, or something empty if it has ended meanwhile."""
    try:
        return getattr(process, question)()
    except psutil.NoSuchProcess:
        return ()


def inventory():
    """Return the children and descriptors of this process."""
    children = {f"process {child.pid}" for child in psutil.Process().children(recursive=True)}
    return children | {f"descriptor {fd}" for fd in os.listdir("/proc/self/fd")}


@pytest.fixture
def nothing_new():
    """A function that says whether all there is was there when the test began.

    Forks of earlier tests may still be ending, so less may be there.
    """
    gc.collect()
    before = inventory()
    return lambda: inventory() <= before


@pytest.fixture
def running_zygote(zygotes):
    return zygotes.get(App("bare:quiet"))


def one_of_each(talk, zygotes, folder):
    """Run a round that ends well, and one for each way to fail."""
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "leaving.py").write_text("import os; os._exit(1)\n")
    with talk(zygotes.get(App("bare:quiet"))) as client:
        client.get("/")
        client.current_round().finish()
    with talk(zygotes.get(App("bare:quiet", tree=True))) as client:
        client.call("bare:fork_a_daemon")
        client.current_round().finish()
    for path in ("/kill", "/exit", "/hang"):
        with suppress(CowmemError), talk(zygotes.get(App("bare:dies")), timeout=0.5) as client:
            client.get(path)
    with suppress(KeyError), talk(zygotes.get(App("bare:stream"))) as client:
        client.send(client.build_request("GET", "/?5000"), stream=True)
        raise KeyError
    with suppress(CowmemError), talk(zygotes.get(App("bare:quiet", after_fork="bare:fail"))):
        pass
    for name in ("broken:app", "leaving:app", "nowhere:app"):
        with suppress(CowmemError):
            zygotes.get(App(name, pythonpath=[str(folder)]))
    with suppress(CowmemError), talk(zygotes.get(App("bare:quiet"))) as client:
        os.kill(zygotes.get(App("bare:quiet")).pid, signal.SIGKILL)
        client.get("/")
    with suppress(CowmemError), talk(zygotes.get(App("bare:quiet"))) as client:
        client.get("/")
        os.kill(zygotes.get(App("bare:quiet")).pid, signal.SIGKILL)
    zygote = zygotes.get(App("bare:quiet"))
    os.kill(zygote.pid, signal.SIGKILL)
    with suppress(CowmemError), talk(zygote):
        pass


def test_no_process_and_no_descriptor_is_left(nothing_new, talk, tmp_path):
    for _ in range(2):
        with closing(Zygotes(APPS, [], 60)) as found:
            one_of_each(talk, found, tmp_path)
    assert eventually(nothing_new)


def test_rounds_leave_only_the_zygote(running_zygote, nothing_new, talk):
    for _ in range(5):
        with talk(running_zygote) as client:
            client.get("/")
            assert not nothing_new()
    assert eventually(nothing_new)


def test_a_program_started_in_a_worker_ends_with_it(zygotes, talk):
    with talk(zygotes.get(App("bare:starts_a_program"))) as client:
        pid = int(client.get("/").text)
        assert psutil.pid_exists(pid)
    assert eventually(lambda: gone(pid))


def test_a_program_in_a_session_of_its_own_ends_with_its_worker_too(zygotes, talk):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        pid = client.call("bare:start_a_program_of_its_own_session")
        assert not gone(pid)
    assert gone(pid)


def test_a_program_inherits_none_of_the_plugins_descriptors(zygotes, talk):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        assert client.call("bare:descriptors_a_program_inherits") == ["0", "1", "2"]


def test_a_program_started_by_the_zygote_ends_with_it(tmp_path):
    (tmp_path / "starter.py").write_text(
        "import subprocess, sys\nfrom bare import quiet as app\n"
        f"program = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
    )
    with closing(Zygotes(APPS, [], 60)) as found:
        zygote = found.get(App("starter:app", pythonpath=[str(tmp_path)]))
        children = psutil.Process(zygote.pid).children()
        programs = [child for child in children if SLEEP in told(child, "cmdline")]
        # There are two where the first start compiled the app: the app is then imported again.
        assert programs
    assert eventually(lambda: all(gone(program.pid) for program in programs))


def test_nothing_survives_a_killed_pytest(pytester):
    """The worker is in a busy loop when pytest is killed, and the zygote waits for it."""
    pytester.makeini(f"[pytest]\ncowmem_app = bare:dies\npythonpath = '{APPS}'")
    pytester.makepyfile("def test_it(cow_worker):\n    cow_worker.get('/spin')\n")
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--cowmem"], stdout=subprocess.DEVNULL, cwd=pytester.path
    )
    tree: list[psutil.Process] = []

    def spinning():
        tree[:] = psutil.Process(run.pid).children(recursive=True)
        spent = [sum(told(process, "cpu_times")[:1]) for process in tree[1:]]
        return len(tree) >= 3 and max(spent) > 0.2

    try:
        assert eventually(spinning)
    finally:
        run.kill()
        run.wait()
    assert eventually(lambda: all(gone(process.pid) for process in tree))


def test_no_port_is_opened(zygotes, talk):
    with talk(zygotes.get(App("flask_shop:app"))) as client:
        client.get("/feed")
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            assert not told(process, "net_connections")


def test_a_port_would_have_been_seen():
    """The test above rests on this."""
    program = textwrap.dedent(
        """
        import socket
        listener = socket.create_server(("127.0.0.1", 0))
        print("listening", flush=True)
        input()
        """
    )
    command, pipe = [sys.executable, "-c", program], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as listener:
        assert listener.stdin
        assert listener.stdout
        assert listener.stdout.readline() == b"listening\n"
        assert len(told(psutil.Process(listener.pid), "net_connections")) == 1
        listener.stdin.close()


@pytest.mark.parametrize(
    "function",
    [
        "bare:fork_a_sleeper",
        "bare:fork_a_daemon",
        "bare:fork_and_rename",
        "bare:fork_below_a_program",
    ],
)
def test_a_live_fork_of_a_worker_is_an_error_and_not_a_low_figure(zygotes, talk, function):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        client.call(function)
        with pytest.raises(CannotMeasure, match="1 live forks"):
            client.current_round().finish()


def test_a_renamed_fork_has_another_command_line(zygotes, talk):
    """The test above rests on this."""
    with talk(zygotes.get(App("bare:quiet"))) as client:
        assert client.call("bare:fork_and_rename") == b"janitor"


def test_a_programs_own_fork_shares_nothing(zygotes, talk):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        client.call("bare:start_a_program_that_forks")
        assert psutil.Process(client.current_round().pair.twin).children()
        client.current_round().finish()


ENDING = ["pool", "fork_and_forget", "run_a_program", "start_a_program_that_forks"]


@pytest.mark.parametrize("function", ENDING)
def test_a_round_tells_that_children_ended(zygotes, talk, function):
    with talk(zygotes.get(App("bare:quiet"))) as client:
        client.call(f"bare:{function}")
        assert client.current_round().finish().children_ended


def test_children_that_ended_before_the_round_are_not_told(zygotes, talk):
    with talk(zygotes.get(App("bare:quiet", after_fork="bare:fork_and_forget"))) as client:
        client.get("/")
        assert not client.current_round().finish().children_ended
