"""A FastAPI app: a small answer, a model, and a plain function in a thread."""

import asyncio
from typing import Any

import fastapi
import pydantic

app = fastapi.FastAPI()


class Item(pydantic.BaseModel):
    name: str
    price: float


ITEMS = [Item(name=f"item {number}", price=number / 7) for number in range(1_000)]


@app.get("/small")
async def small() -> dict[str, int]:
    return {"items": len(ITEMS)}


@app.get("/items")
async def items(first: int = 0) -> list[Item]:
    return ITEMS[first : first + 20]


@app.get("/plain")
def plain() -> dict[str, int]:
    return {"items": len(ITEMS)}


@app.post("/echo")
async def echo(request: fastapi.Request) -> fastapi.Response:
    return fastapi.Response(await request.body())


def looped(scope: dict[str, Any], body: bytes, times: int) -> None:
    """Call the app over and over, on a running loop."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_event: dict[str, Any]) -> None:
        pass

    async def run() -> None:
        for _ in range(times):
            await app(scope.copy(), receive, send)

    asyncio.run(run())
