import tracemalloc

import figure
import program


def growth():
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    program.work()
    after, _ = tracemalloc.get_traced_memory()
    return after - before


def test_in_worker():
    figure.check(program.in_worker(growth))
