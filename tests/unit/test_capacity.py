"""How many workers a host holds, and what a server with so many takes."""

from pytest_cowmem.model.capacity import SERVER, served, total, workers

MIB = 2**20


def test_as_many_workers_as_fit_beside_their_master():
    assert workers(100 * MIB, 40 * MIB, 7 * MIB) == 8
    assert workers(40 * MIB, 41 * MIB, 7 * MIB) == 0
    assert workers(100, 40, 0) == 60


VALUES = {"master": 40 * MIB, "mapped": 12 * MIB}


def test_what_a_server_with_all_workers_takes_fits_and_one_more_does_not():
    count = served(2**30, VALUES, 7 * MIB)
    assert total(count, VALUES, 7 * MIB) <= 2**30
    assert total(count + 1, VALUES, 7 * MIB) > 2**30


def test_a_server_has_code_of_its_own_in_each_process():
    assert total(3, {"master": 0}, 0) == 4 * SERVER
