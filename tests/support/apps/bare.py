"""WSGI apps in plain Python, one function each, and callables for a worker to run."""

import ctypes
import gc
import itertools
import json
import mmap
import os
import signal
import subprocess
import sys
import time
import weakref

PAGE = mmap.PAGESIZE
leaked = []
named = {}
counter = itertools.count()
seeded = []


def reply(start_response, body=b"ok", status="200 OK", kind="text/plain"):
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def quiet(environ, start_response):
    """Answer, and do nothing else."""
    return reply(start_response)


def __getattr__(name):
    """Give `busy`, and have in memory what it reads and writes to: all other apps start sooner."""
    global shared, area, busy
    if name != "busy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    shared = [{"number": index, "tags": [index]} for index in range(20_000)]
    area = mmap.mmap(-1, 4096 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.write(b"x" * len(area))
    busy = _busy
    return busy


def _busy(environ, start_response):
    """Do what the path says: every kind of memory a worker can come to own."""
    path, number = environ["PATH_INFO"], int(environ["QUERY_STRING"] or 0)
    if path == "/read":
        return reply(start_response, str(sum(item["number"] for item in shared)).encode())
    if path == "/allocate":
        leaked.extend([index] for index in range(number))
    elif path == "/leak":
        leaked.append(bytes(number))
    elif path == "/dirty":
        for page in range(number):
            area[page * PAGE] = 1
    elif path == "/map":
        fresh = mmap.mmap(-1, number * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for page in range(number):
            fresh[page * PAGE] = 1
        leaked.append(fresh)
    elif path == "/share":
        fresh = mmap.mmap(-1, number * PAGE)
        fresh.write(b"x" * len(fresh))
        leaked.append(fresh)
    elif path == "/transient":
        len(bytes(number) + b"x")
    elif path == "/import":
        import this_is_late  # noqa: F401
    elif path == "/collect":
        gc.collect()
    return reply(start_response)


def echo(environ, start_response):
    """Give the request back: what the server's side saw of it, or the body as it came."""
    if environ["PATH_INFO"] == "/body":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", environ.get("CONTENT_TYPE", "text/plain"))])
        return [body]
    if environ["PATH_INFO"] == "/count":
        count = 0
        while piece := environ["wsgi.input"].read(65536):
            count += len(piece)
        return reply(start_response, str(count).encode())
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    return reply(start_response, json.dumps(seen).encode(), kind="application/json")


def stream(environ, start_response):
    """As many pieces as the query says, each made when it is asked for."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    for index in range(int(environ["QUERY_STRING"])):
        yield b"%d\n" % index


def endless(environ, start_response):
    """A response without an end."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    while True:
        yield b"tick\n"


def drips(environ, start_response):
    """A response that comes piece by piece, and never ends."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    while True:
        time.sleep(0.05)
        yield b"tick\n"


def slow(environ, start_response):
    """Take the seconds that the query names."""
    time.sleep(float(environ["QUERY_STRING"]))
    return reply(start_response)


def malformed(environ, start_response):
    """Give an invalid status or header."""
    status, header = {
        "/no_code": ("OK", "text/plain"),
        "/no_text": (200, "text/plain"),
        "/no_space": ("2000 OK", "text/plain"),
        "/not_latin": ("200 OK", "\u20ac"),
        "/not_a_string": ("200 OK", 7),
    }[environ["PATH_INFO"]]
    start_response(status, [("X-Header", header)])
    return [b"never seen"]


class Thing:
    """A class that only the worker can import."""


def raises(environ, start_response):
    """Raise, before the response or within it."""
    if environ["PATH_INFO"] == "/late":
        return raise_late(start_response)
    raise LookupError("the shelf is empty")


def raise_late(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"so far so good"
    raise LookupError("the shelf broke")


def wrong_pieces(environ, start_response):
    """A body of text, where WSGI wants bytes."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["text"]


def prints(environ, start_response):
    print("printed by the app")
    print("complained by the app", file=sys.stderr)
    return reply(start_response)


def alternates(environ, start_response):
    """200 at first, then 404."""
    leaked.append(None)
    early = len(leaked) < int(environ["QUERY_STRING"])
    return reply(start_response, status="200 OK" if early else "404 Not Found")


def dies(environ, start_response):
    """End in the way the path names."""
    way = environ["PATH_INFO"]
    if way == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "/realtime":
        os.kill(os.getpid(), signal.SIGRTMIN + 1)
        time.sleep(60)
    elif way == "/_exit":
        os._exit(3)
    elif way == "/exit":
        sys.exit(4)
    elif way == "/exit_with_words":
        sys.exit("out of stock")
    elif way == "/segfault":
        ctypes.string_at(0)
    elif way == "/hang":
        time.sleep(600)
    elif way == "/spin":
        while True:
            pass
    elif way == "/hang_up":
        os.closerange(3, 100)
        time.sleep(600)
    return reply(start_response)


def starts_a_program(environ, start_response):
    """Start a program that outlives the request; answers with its pid."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    leaked.append(program)
    return reply(start_response, str(program.pid).encode())


def make(name="made", *, times=1, nested=None):
    """A factory."""

    def made(environ, start_response):
        body = json.dumps([name, times, nested]).encode()
        return reply(start_response, body, kind="application/json")

    return made


class Shelf:
    """A namespace, for dotted attributes."""

    app = staticmethod(quiet)


async def asgi(scope, receive, send):
    """An interface that cannot be served yet."""


def gc_state():
    return {"on": gc.isenabled(), "thresholds": gc.get_threshold(), "frozen": gc.get_freeze_count()}


def environment(name):
    return os.environ.get(name)


def seed():
    """For `prepare`."""
    seeded.append(os.getpid())


def pad():
    """For `prepare`: count allocations of the collector's up, as a few more lists would."""
    seeded.extend([] for _ in range(int(os.environ["PADDING"])))


def leave_holes():
    """Free objects of all sizes between others that stay, so that no page is given back."""
    objects = [bytes(size) for size in (15, 31, 79, 191, 447, 967, 3967) for _ in range(2_000)]
    leaked.extend(objects[::8])


def leave_garbage():
    """For `prepare`: leave a cycle that only a collection frees."""
    thing = Thing()
    vars(thing)["itself"] = thing
    seeded.append(weakref.ref(thing))


def leave_garbage_and_freeze():
    leave_garbage()
    gc.freeze()


def is_garbage_left():
    return seeded[0]() is not None


def seed_worker():
    """For `after_fork`."""
    seeded.append(f"worker {os.getpid()}")


def fail():
    raise LookupError("no such hook")


def what_was_seeded():
    return seeded, os.getpid(), os.getppid()


def add(*numbers, bonus=0):
    return sum(numbers) + bonus


def divide(one, other):
    return one / other


def give_back_a_function():
    return lambda: None


def modules():
    return list(sys.modules)


LIST_DESCRIPTORS = """
import os
folder = "/proc/self/fd"
print(*[fd for fd in os.listdir(folder) if os.path.exists(f"{folder}/{fd}")])
"""


def descriptors_a_program_inherits():
    command = [sys.executable, "-c", LIST_DESCRIPTORS]
    told = subprocess.run(command, close_fds=False, capture_output=True, text=True, check=True)
    return sorted(told.stdout.split())


def fork_a_sleeper():
    """Leave a fork behind, as a pool of processes would."""
    if not os.fork():
        time.sleep(600)
        os._exit(0)


def fork_a_daemon():
    """Leave a fork behind that is a grandchild in a session of its own, as a daemon does."""
    if not os.fork():
        os.setsid()
        if not os.fork():
            time.sleep(600)
        os._exit(0)
    os.wait()


def rename(name):
    """Give this process another command line, as setproctitle does: written over its own."""
    with open("/proc/self/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    start, end = map(int, fields[45:47])  # arg_start and arg_end
    ctypes.memmove(start, name.ljust(end - start, b"\0"), end - start)


def fork_and_rename():
    """Leave a fork behind under another name; return the name."""
    ready, done = os.pipe()
    pid = os.fork()
    if not pid:
        rename(b"janitor")
        os.write(done, b"x")
        time.sleep(600)
        os._exit(0)
    os.read(ready, 1)
    with open(f"/proc/{pid}/cmdline", "rb") as command:
        return command.read().rstrip(b"\0")


def fork_below_a_program():
    """Leave a fork behind whose parent then executed a program."""
    until_executed, held = os.pipe()
    if not os.fork():
        if not os.fork():
            os.close(held)
            time.sleep(600)
            os._exit(0)
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"])
    os.close(held)
    os.read(until_executed, 1)
    os.close(until_executed)


def start_a_program_that_forks():
    """Leave behind the fork of a program that has ended."""
    program = "import os, time; os.fork() or time.sleep(600)"
    subprocess.run([sys.executable, "-c", program], check=True)


def pool():
    """Use a pool of forks, and end it."""
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as workers:
        workers.map(abs, [1, 2])


def fork_and_forget():
    """Have a fork that ends at once, and do not wait for it."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def run_a_program():
    subprocess.run(["true"], check=True)


def start_a_program_of_its_own_session():
    """Return the pid of a program that no signal to this process's group reaches."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    return subprocess.Popen(command, start_new_session=True).pid


def kill_the_twin():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def clear_callbacks():
    """Take every callback of the collector's away, as a library might."""
    gc.callbacks.clear()
    gc.collect()


def keeping(environ, start_response):
    """Keep what the path names: objects, or only what looks like a leak."""
    what, number = environ["PATH_INFO"][1:], len(leaked)
    if what == "object":
        leaked.append(object())
    elif what == "bytes":
        leaked.append(bytes(int(environ["QUERY_STRING"])))
    elif what == "entry":
        named[f"request {len(named)}"] = None
    elif what == "cycle":
        cycle = []
        cycle.append(cycle)
    elif what == "built":
        getattr(Thing(), f"no_{next(counter)}", None)  # which the cache of types then holds
    elif what == "freed":
        blocks = [bytearray(1000) for _ in range(20)]
        del blocks
    elif what == "cache" and number < int(environ["QUERY_STRING"]):
        leaked.append(bytes(1000))
    return reply(start_response)
