def test_index(cow_worker):
    assert cow_worker.get("/").status_code == 200


def test_tables(cow_worker):
    for url in ("/", "/book/", "/reader/", "/book/content/", "/reader/content/", "/query/"):
        assert cow_worker.get(url).status_code == 200


def test_queries(cow_worker):
    for year in range(1990, 2000):
        query = {"sql": f"select title from book where year = {year}"}
        assert f"book number {year - 1900}" in cow_worker.post("/query/", data=query).text


def test_inserts(cow_worker):
    for number in range(10):
        row = {"name": f"newcomer {number}"}
        assert cow_worker.post("/reader/insert/", data=row).status_code in (200, 302)


def test_burst(cow_worker):
    cow_worker.burst("GET", "/book/content/", times=50)


def test_collection_and_late_imports(cow_worker):
    cow_worker.get("/book/content/")
    cow_worker.call("wsgi:report")
    cow_worker.call("gc:collect")
    cow_worker.get("/book/content/?page=2")
