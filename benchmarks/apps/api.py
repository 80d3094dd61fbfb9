"""A FastAPI app: a small answer, a model, and a plain function in a thread."""

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
