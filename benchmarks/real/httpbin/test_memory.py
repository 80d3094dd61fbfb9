def test_one_request(cow_worker):
    assert cow_worker.get("/get").status_code == 200


def test_several_pages(cow_worker):
    for url in ("/get", "/html", "/json", "/xml", "/uuid", "/headers", "/ip", "/user-agent"):
        assert cow_worker.get(url).status_code == 200


def test_forms(cow_worker):
    for number in range(10):
        sent = {"name": f"visitor {number}", "size": "large"}
        assert cow_worker.post("/post", data=sent).json()["form"] == sent
    assert cow_worker.post("/anything", json={"rows": list(range(500))}).status_code == 200


def test_burst(cow_worker):
    cow_worker.burst("GET", "/get", times=200)


def test_full_collection(cow_worker):
    cow_worker.get("/json")
    cow_worker.call("gc:collect")
    cow_worker.get("/json")


def test_late_imports(cow_worker):
    for url in ("/brotli", "/gzip", "/deflate", "/image/png", "/stream/5"):
        assert cow_worker.get(url).status_code == 200
    cow_worker.call("wsgi:report")
