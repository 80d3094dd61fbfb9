"""What a traced worker tells at the end is the sum of what its threads were charged."""

from types import SimpleNamespace

import pytest

from pytest_cowmem.zygote.trace import lines

INDEX = ("app.py", 7, "index", None, 0, "", None)
READ = ("app.py", 12, "read", None, 0, "", None)
NAMES = {1: INDEX, 2: INDEX, 3: READ}  # two code objects have the same names


@pytest.fixture
def charged(monkeypatch):
    """Set what the tracer has charged: rows of its log, and collections of each thread."""

    def set_tracer(rows=(), threads=()):
        tracer = SimpleNamespace(
            stacks=SimpleNamespace(named=NAMES.__getitem__),
            log=SimpleNamespace(rows=lambda: iter(rows)),
            threads=[SimpleNamespace(collections=collections) for collections in threads],
        )
        monkeypatch.setattr(lines, "_tracer", tracer, raising=False)

    return set_tracer


def test_pages_of_a_line_add_up_and_those_since_the_mark_apart(charged):
    charged(rows=[(1, 5, False), (2, 3, True), (3, 20, True)])
    assert lines._charged_lines() == [(*READ, 20, 20), (*INDEX, 3, 8)]


def test_collections_at_a_line_add_up_over_threads_by_generation(charged):
    charged(threads=[{(2, 1): (1, 40), (0, 3): (9, 50)}, {(2, 2): (2, 4), (0, 1): (1, 1)}])
    assert lines._charged_collections() == [
        (0, *READ, 9, 50),
        (2, *INDEX, 3, 44),
        (0, *INDEX, 1, 1),
    ]
