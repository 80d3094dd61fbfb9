"""A Flask app that preloads about 100 MiB of small objects."""

from flask import Flask

app = Flask(__name__)
PRODUCTS = [
    {"id": i, "name": f"product {i}", "tags": [str(i % 7), str(i % 11)]} for i in range(150_000)
]
KEPT: list[object] = []


@app.get("/")
def index():
    return "quiet"


@app.get("/page")
def page():
    return {"products": [product["name"] for product in PRODUCTS[:50]]}
