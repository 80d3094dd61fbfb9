import figure
import program
import pytest


@pytest.mark.limit_memory(f"{figure.LIMIT} B")
def test_forks():
    program.in_worker(program.work)


@pytest.mark.limit_memory(f"{figure.LIMIT} B")
def test_is_forked():
    program.work()
