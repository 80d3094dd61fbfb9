import figure
import program
import psutil


def rss():
    return psutil.Process().memory_info().rss


def uss():
    return psutil.Process().memory_full_info().uss


def growth(measure):
    measure()  # so that what the first call keeps is not in the figure
    before = measure()
    program.work()
    return measure() - before


def test_rss():
    figure.check(program.in_worker(lambda: growth(rss)))


def test_uss():
    figure.check(program.in_worker(lambda: growth(uss)))
