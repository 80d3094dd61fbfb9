"""ASGI apps without a framework, each for one thing that a server does for them."""

import asyncio
import contextvars
import functools
import os
import threading

told = []
at_once = [0]
who = contextvars.ContextVar("who", default="nobody")
PID_AT_IMPORT = os.getpid()


def reply(body, status=200, **headers):
    """The events of a whole response."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    yield {"type": "http.response.start", "status": status, "headers": pairs}
    yield {"type": "http.response.body", "body": body}


async def read(receive):
    """A request's body, and in how many events it came."""
    body, events, more = b"", 0, True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more, events = event.get("more_body", False), events + 1
    return body, events


async def echo(scope, receive, send):
    body, events = await read(receive)
    for event in reply(body, events=str(events), path=scope["path"]):
        await send(event)


async def tells_scope(scope, receive, send):
    told = {name: value for name, value in scope.items() if name not in ("headers", "state")}
    for event in reply(repr(told).encode()):
        await send(event)


def http(app):
    """The app, which raises where it is asked for anything else, as the specification wants."""

    async def serve(scope, receive, send):
        assert scope["type"] == "http"
        await app(scope, receive, send)

    return serve


@http
async def streams(scope, receive, send):
    """A line for each that the client sends, as soon as it has come."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        event = await receive()
        more = event.get("more_body", False)
        body = b"got %s\n" % event["body"] if event.get("body") else b""
        await send({"type": "http.response.body", "body": body, "more_body": more})


@http
async def endless(scope, receive, send):
    """Lines until the client has gone, which `told` has then."""
    told.append("begun")
    gone = asyncio.ensure_future(_gone(receive))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while not gone.done():
        await send({"type": "http.response.body", "body": b"line\n", "more_body": True})
    told.append((await gone)["type"])


async def _gone(receive):
    while (event := await receive())["type"] != "http.disconnect":
        pass
    return event


@http
async def waits_for_the_client(scope, receive, send):
    await read(receive)
    told.append((await receive())["type"])


async def breaks(scope, receive, send):
    if scope["path"] == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
    if scope["path"] == "/after":
        for event in reply(b"all of it"):
            await send(event)
    if scope["path"] != "/nothing":
        raise LookupError("no such shelf")


async def spawns(scope, receive, send):
    """Start tasks that end later, each another, or one that never does."""

    async def later(times):
        await asyncio.sleep(0.01)
        told.append(f"task {times}")
        if times > 1:
            asyncio.get_running_loop().create_task(later(times - 1))

    task = asyncio.Event().wait() if scope["path"] == "/for_ever" else later(2)
    asyncio.get_running_loop().create_task(task)
    for event in reply(b"started"):
        await send(event)


async def counts_contexts(scope, receive, send):
    before = who.get()
    who.set("somebody")
    for event in reply(before.encode()):
        await send(event)


class Living:
    """An app with a lifespan, whose startup leaves things and starts a task."""

    started_in = None

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.live(scope, receive, send)
            return
        for event in reply(scope["state"]["hello"].encode(), started=str(self.started_in)):
            await send(event)
        scope["state"]["hello"] = "changed"

    async def live(self, scope, receive, send):
        assert (await receive())["type"] == "lifespan.startup"
        Living.started_in = os.getpid()
        scope["state"]["hello"] = "hello"
        self.ticking = asyncio.get_running_loop().create_task(asyncio.Event().wait())
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        print("shut down", os.getpid(), flush=True)
        await send({"type": "lifespan.shutdown.complete"})


living = Living()


async def fails_to_start(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no shelf to open"})


async def meets(scope, receive, send):
    """Answer how many requests there were at once at most."""
    at_once.append(at_once[-1] + 1)
    await asyncio.sleep(0)
    for event in reply(str(max(at_once)).encode()):
        await send(event)
    at_once.append(at_once[-1] - 1)


@http
async def sends_text(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": "text"})


partial = functools.partial(echo)


def plain(scope, receive, send):
    """An app whose function is no coroutine function."""
    return echo(scope, receive, send)


async def told_by_loop(number):
    """For calls: a coroutine function."""
    await asyncio.sleep(0)
    return [number, os.getpid(), threading.current_thread() is threading.main_thread()]


async def fails_in_loop():
    await asyncio.sleep(0)
    raise LookupError("no such shelf")


def runs_a_loop():
    """For calls: a plain function that runs a loop of its own."""
    return asyncio.run(asyncio.sleep(0, "ran"))


def what_was_told():
    return told


filled = {}


@http
async def fills(scope, receive, send):
    """Fill a cache once, in a coroutine of its own."""
    if not filled:
        await fill()
    for event in reply(b"filled"):
        await send(event)


async def fill():
    for number in range(400):
        filled[number] = b"x" * 5000
