def test_one_request(cow_worker):
    assert cow_worker.get("/").json() == {"products": 3000}


def test_several_pages(cow_worker):
    for page in range(10):
        assert len(cow_worker.get(f"/products?page={page}").json()) == 20
        assert cow_worker.get(f"/products/{page}").status_code == 200
    assert cow_worker.get("/products/5000").status_code == 404
    assert cow_worker.get("/products/none").status_code == 422


def test_orders(cow_worker):
    product = {"number": 1, "title": "lamp", "price": 3, "tags": ["light", "home"]}
    for number in range(10):
        order = {"name": f"visitor {number}", "products": [product] * number}
        assert cow_worker.post("/orders", json=order).json() == {"total": 3 * number}


def test_schema(cow_worker):
    assert cow_worker.get("/openapi.json").status_code == 200
    assert cow_worker.get("/docs").status_code == 200


def test_burst(cow_worker):
    cow_worker.burst("GET", "/products?page=3", times=50)


def test_collection_and_late_imports(cow_worker):
    cow_worker.get("/products")
    cow_worker.call("shop:report")
    cow_worker.call("gc:collect")
    cow_worker.get("/products")
