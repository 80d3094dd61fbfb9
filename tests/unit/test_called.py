"""Collections that code asks for are told from those that are due."""

import gc

import pytest

from pytest_cowmem.zygote.trace.faults import was_called


@pytest.fixture
def called():
    """What `was_called` says at the beginning of each collection, with its generation."""
    told = []

    def note(phase, info):
        if phase == "start":
            told.append((info["generation"], was_called(info)))

    gc.callbacks.append(note)
    yield told
    gc.callbacks.remove(note)


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_a_call_is_told(called, generation):
    gc.collect()
    called.clear()  # one that was due may have come first
    gc.collect(generation)
    gc.disable()
    try:
        kept = [[number] for number in range(5_000)]
        gc.collect(generation)
    finally:
        gc.enable()
    assert called[0] == called[-1] == (generation, True)
    assert len(kept) == 5_000


def test_what_is_due_is_no_call(called):
    gc.collect()
    called.clear()
    kept = [[number] for number in range(100_000)]
    assert called
    assert not any(was for _, was in called)
    assert len(kept) == 100_000
