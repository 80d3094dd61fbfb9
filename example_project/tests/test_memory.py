"""What one more worker of the shop costs, endpoint by endpoint.

These tests are measured with --cowmem, and skipped without it.
"""

import pytest


@pytest.mark.mem_budget(private="5 MiB", imports=0)
def test_browsing(cow_worker):
    for page in range(1, 41):
        assert cow_worker.get("/products", params={"page": page}).status_code == 200


@pytest.mark.mem_budget(private="6 MiB")
def test_product_pages(cow_worker):
    for number in range(100, 50_000, 500):
        assert cow_worker.get(f"/products/{number}").status_code == 200


@pytest.mark.mem_budget(private="5 MiB", imports=0)
def test_search(cow_worker):
    for text in ("oak", "oak table", "olive wool blanket", "kettle", "nothing like this"):
        assert cow_worker.get("/search", params={"q": text}).status_code == 200


@pytest.mark.mem_budget(private="5 MiB")
def test_recommendations(cow_worker):
    for number in (10, 20, 30):
        assert len(cow_worker.get(f"/products/{number}/recommendations").json()) == 5


@pytest.mark.mem_budget(private="6 MiB", imports=0)
def test_checkout(cow_worker):
    cow_worker.post("/login", data={"customer": "ada"})
    for product in (1, 20_000, 50_000):
        assert cow_worker.post("/cart", data={"product": product}).status_code == 200
    assert cow_worker.post("/checkout").status_code == 201


@pytest.mark.mem_budget(growth="256 B")
def test_no_leak(cow_worker):
    assert cow_worker.burst("GET", "/products/4711", times=2000).status_code == 200


@pytest.mark.mem_budget(private="50 MiB", gc_pause="250 ms", gc_collections=500, gc_collections_2=4)
def test_report(cow_worker):
    for _ in range(16):
        assert len(cow_worker.get("/report").json()) == 25


@pytest.mark.cow_app(gc="freeze")
@pytest.mark.mem_budget(copied="6 MiB", gc_copied="1 MiB")
def test_report_after_freeze(cow_worker):
    """With gc.freeze() before the fork, collections leave the master's objects alone."""
    for _ in range(16):
        assert len(cow_worker.get("/report").json()) == 25
