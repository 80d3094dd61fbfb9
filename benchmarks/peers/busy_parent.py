"""How much an idle worker's USS grows while its parent reads nothing, then 10 MiB both share.

Needs psutil.
"""

import multiprocessing
import os

os.environ |= {"KIND": "read", "PLANTED": "0", "REQUESTS": "1"}

import program
import psutil


def uss():
    return psutil.Process().memory_full_info().uss


def idle_worker(connection):
    uss()
    before = uss()
    connection.send("ready")
    connection.recv()
    connection.send(uss() - before)


def growth(amount):
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    worker = fork.Process(target=idle_worker, args=[there])
    worker.start()
    here.recv()
    for record in program.ONE_A_PAGE[: amount // program.PAGE]:
        record[0]
    here.send("go")
    grown = here.recv()
    worker.join()
    return grown


for amount in (0, 10 * 2**20):
    grown = f"USS of the idle worker grows by {growth(amount) / 2**20:.2f} MiB"
    print(f"the parent reads {amount / 2**20:.0f} MiB: {grown}")
