"""Ordinary tests of the shop: they run with and without --cowmem."""

from shop.wsgi import app


def test_search_finds_products():
    page = app.test_client().get("/search?q=oak+table")
    assert page.status_code == 200
    assert "oak table" in page.text


def test_an_order_needs_a_customer():
    client = app.test_client()
    client.post("/cart", data={"product": 7})
    assert client.post("/checkout").status_code == 403
    client.post("/login", data={"customer": "ada"})
    assert client.post("/checkout").status_code == 201
    assert client.post("/checkout").status_code == 400
