from functools import partial

import figure
import program
import pytest


def measure(benchmark, action, series="peak_bytes"):
    try:
        benchmark.pedantic(action, rounds=1)
    finally:
        figure.write(min(benchmark.extra_info["benchmem"][series]))


@pytest.mark.benchmem(repeats=1, warmup=0)
def test_forks(benchmark_memory):
    measure(benchmark_memory, partial(program.in_worker, program.work))


@pytest.mark.benchmem(repeats=1, warmup=0, max_peak=f"{figure.LIMIT}B")
def test_is_forked(benchmark_memory):
    measure(benchmark_memory, program.work)


@pytest.mark.benchmem(repeats=1, isolate=True)
def test_isolated(benchmark_memory):
    measure(benchmark_memory, program.work, "rss_bytes")
