"""A FastAPI app, served by WSGI through a2wsgi."""

from a2wsgi import ASGIMiddleware
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field


class Product(BaseModel):
    """Something to buy."""

    number: int
    title: str = Field(max_length=80)
    tags: list[str] = []
    price: float = Field(gt=0)


class Order(BaseModel):
    """What a visitor buys."""

    name: str
    products: list[Product]


app = FastAPI(title="shop")
PRODUCTS = {
    number: Product(number=number, title=f"product {number}", price=number % 90 + 1)
    for number in range(3000)
}


@app.get("/")
async def index() -> dict[str, int]:
    """How much there is."""
    return {"products": len(PRODUCTS)}


@app.get("/products")
async def products(page: int = 0, tag: str | None = None) -> list[Product]:
    """A page of products."""
    return [PRODUCTS[number] for number in range(20 * page, 20 * page + 20)]


@app.get("/products/{number}")
async def product(number: int) -> Product:
    """One product."""
    if number not in PRODUCTS:
        raise HTTPException(404)
    return PRODUCTS[number]


@app.post("/orders", status_code=201)
async def order(order: Order) -> dict[str, float]:
    """Buy."""
    return {"total": sum(product.price for product in order.products)}


def report():
    """What a page that few ask for would import."""
    import plistlib
    import pstats

    return plistlib.__name__, pstats.__name__


adapter = None


def wsgi(environ, start_response):
    """Serve one request; the adapter's thread is started in the worker, as forks lose threads."""
    global adapter
    if adapter is None:
        adapter = ASGIMiddleware(app)
    return adapter(environ, start_response)
