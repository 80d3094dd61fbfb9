"""Long work shows how far it is, in a real terminal, and nowhere else."""

import os
import pty
import subprocess
import sys

import pytest
from screens import screen

TESTS = """
def test_index(cow_worker):
    print("captured")
    cow_worker.get("/")
"""


@pytest.fixture
def command(pytester):
    pytester.makeini("[pytest]\ncowmem_app = quiet:app\ncowmem_rounds = 1\n")
    pytester.makepyfile(
        quiet="def app(e, start):\n    start('200 OK', [])\n    return [b'']\n", test_index=TESTS
    )
    plugins = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--color=no")
    return [sys.executable, "-m", "pytest", "--cowmem", "--cowmem-explain", *plugins]


def in_terminal(command):
    """What a command writes to a terminal."""
    ours, its = pty.openpty()
    running = subprocess.Popen(command, stdin=its, stdout=its, stderr=its)
    os.close(its)
    written = b""
    try:
        while part := os.read(ours, 4096):
            written += part
    except OSError:  # the terminal has no other end any more
        pass
    finally:
        os.close(ours)
    assert running.wait() == 0
    return written.decode()


def test_a_terminal_shows_how_far_a_test_is_until_it_is_done(command):
    written = in_terminal(command)
    assert "test_index: finding out why" in written
    assert "captured" not in written
    lines = [screen(line) for line in written.replace("\r", "").split("\n")]
    assert any(line.startswith("test_index.py .  ") for line in lines)
    assert not any("finding out why" in line for line in lines)


def test_a_file_gets_nothing_of_it(command):
    assert "finding out why" not in subprocess.check_output(command, text=True)
