"""An ASGI app's lifespan: its startup and its shutdown. Runs in the worker."""

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

Event = dict[str, Any]
VERSIONS = {"version": "3.0", "spec_version": "2.3"}  # what uvicorn says


class Lifespan:
    """The life of an app in this worker. `state` is what its startup left for requests.

    An app that raises, or returns, before its first answer takes no part in it, as for uvicorn.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._asked: asyncio.Queue[Event] = asyncio.Queue()
        self._answer: asyncio.Future[Event] | None = None
        self._takes_part = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Have the app start up. SystemExit, with what the app says, where that fails."""
        self._task = asyncio.get_running_loop().create_task(self._live())
        answer = await self._ask("startup")
        if answer.get("type") == "lifespan.startup.failed":
            sys.exit(f"the app's lifespan startup failed: {answer.get('message', '')}")

    async def stop(self) -> None:
        """Have the app shut down, and show what it says where that fails."""
        answer = await self._ask("shutdown")
        if answer.get("type") == "lifespan.shutdown.failed":
            print(f"lifespan shutdown failed: {answer.get('message', '')}", file=sys.stderr)

    async def _ask(self, what: str) -> Event:
        """The app's answer; an empty one where it ends without any, or has ended."""
        assert self._task is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._asked.put_nowait({"type": f"lifespan.{what}"})
        await asyncio.wait((self._answer, self._task), return_when=asyncio.FIRST_COMPLETED)
        return self._answer.result() if self._answer.done() else {}

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": VERSIONS, "state": self.state}
        try:
            await self._app(scope, self._asked.get, self._send)
        except Exception as error:
            if self._takes_part:
                traceback.print_exception(error)

    async def _send(self, event: Event) -> None:
        self._takes_part = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(event)
