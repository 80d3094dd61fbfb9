"""A loader of data, and the ways that a worker has to start processes of its own.

It is known how many MiB each of them writes to.
"""

import ctypes
import mmap
import multiprocessing
import os
import resource
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

MIB = 2**20
records = [{"number": index, "label": f"record {index}"} for index in range(30_000)]
packed = b"".join([b"record %7d" % index for index in range(30_000)])
array = ()
pages = []
served = []


def make_array():
    """For `prepare`: the records in one array, whose items are no objects until they are read."""
    global array
    import numpy

    array = numpy.array([(it["number"], it["label"]) for it in records], dtype="i8, U16")


def app(environ, start_response):
    served.append(environ["PATH_INFO"])
    start_response("200 OK", [])
    return [b"ok"]


def area(mib):
    """Private memory of so many MiB that nothing has written to."""
    return mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def write(area, mib):
    """Write to each page of the first MiB of an area, with no object of Python's in between."""
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(area)), 1, mib * MIB)


def dirty(mib):
    """Take so many MiB for good."""
    pages.append(area(mib))
    write(pages[-1], mib)


def read_all(area):
    return area.find(b"never")


class Forks:
    """Forks that do one thing, and then wait until they are told to end."""

    def __init__(self, count, does):
        self.held, self._end = os.pipe()
        done, tell = os.pipe()
        self.pids = [self._fork(tell, does) for _ in range(count)]
        for _ in range(count):
            os.read(done, 1)

    def _fork(self, tell, does):
        pid = os.fork()
        if pid:
            return pid
        os.close(self._end)
        does()
        os.write(tell, b"x")
        os.read(self.held, 1)
        os._exit(0)

    def end(self):
        os.close(self._end)
        for pid in self.pids:
            os.waitpid(pid, 0)


living = []


def four_that_read(mib):
    """Make so much, and have four forks read it; they stay."""
    dirty(mib)
    living.append(Forks(4, lambda: read_all(pages[-1])))


def four_that_write(mib, each):
    """Make so much, and have four forks write to a part of it; they stay."""
    dirty(mib)
    living.append(Forks(4, lambda: write(pages[-1], each)))


def what_was_served():
    return served


def one_after_another(count, mib):
    """Have forks that write so much each, one at a time, and wait for each."""
    for _ in range(count):
        pid = os.fork()
        if not pid:
            dirty(mib)
            os._exit(0)
        os.waitpid(pid, 0)


def raw_end(mib):
    """Have a fork that ends in C, with no code of Python's at its end."""
    pid = os.fork()
    if not pid:
        dirty(mib)
        ctypes.CDLL(None)._exit(0)
    os.waitpid(pid, 0)


def hand_down(mib):
    """Have a fork that makes so much, and leaves it to a fork of its own, which stays."""
    ended, tell = os.pipe()
    pid = os.fork()
    if not pid:
        dirty(mib)
        if not os.fork():
            os.read(ended, 1)
            os._exit(0)
        os._exit(0)
    os.waitpid(pid, 0)
    pages.append(tell)


def grandchildren(mib, each):
    """Have a fork that makes so much, and two forks of it that write to a part; all stay."""

    def be_parent():
        dirty(mib)
        living.append(Forks(2, lambda: write(pages[-1], each)))

    living.append(Forks(1, be_parent))


def killed(mib, number):
    """Have a fork that writes so much, and kill it by a signal."""
    forks = Forks(1, lambda: dirty(mib))
    os.kill(forks.pids[0], number)
    forks.end()


def one_that_stays(mib):
    """Have a fork that writes so much and stays; its pid."""
    living.append(Forks(1, lambda: dirty(mib)))
    return living[-1].pids[0]


def one_that_spins():
    if not os.fork():
        while True:
            pass


def write_and_wait(mib, told, held):
    dirty(mib)
    told.send(True)
    held.recv()


def process_that_stays(method, mib):
    """Have multiprocessing start a process that writes so much and stays."""
    context = multiprocessing.get_context(method)
    (told, tell), (held, end) = context.Pipe(False), context.Pipe(False)
    process = context.Process(target=write_and_wait, args=(mib, tell, held))
    process.start()
    told.recv()
    pages.append((process, end))


def take_all_descriptors():
    """For `after_fork`: let this process open none until `with_descriptors` is called."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, most))


def with_descriptors(function, *args):
    """Call a function of this module where descriptors can be opened again."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    globals()[function](*args)


def processes(method, count, mib):
    """Have multiprocessing start processes that write so much each, and join them."""
    context = multiprocessing.get_context(method)
    found = [context.Process(target=dirty, args=(mib,)) for _ in range(count)]
    for process in found:
        process.start()
    for process in found:
        process.join()


def pool(method, count, mib):
    """Have a pool whose processes write so much each, and which terminates them."""
    with multiprocessing.get_context(method).Pool(count) as found:
        found.map(dirty, [mib] * count, chunksize=1)


def executor(method, count, mib):
    """Have an executor whose processes write so much each, and are told to end."""
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(count, mp_context=context) as found:
        list(found.map(dirty, [mib] * count))


def program(mib):
    code = f"kept = bytearray(b'x') * ({mib} << 20)"
    subprocess.run([sys.executable, "-S", "-c", code], check=True)


def epoch(name, count):
    """Have so many forks read one of this module's data sets, and wait for them."""
    for _ in range(count):
        if not os.fork():
            for _item in globals().get(name, ()):
                pass
            os._exit(0)
    for _ in range(count):
        os.wait()
