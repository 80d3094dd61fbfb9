"""What a worker of each app lives through: some 40 requests that change nothing on the disk.

The functions are tests of pytest, and the benchmark calls them with the client of a real server.
"""

import base64

PAGES = ("/get", "/html", "/json", "/xml", "/uuid", "/headers", "/ip", "/user-agent")
LOGIN = "/admin/login/?next=/admin/"
LISTS = ("", "auth/group/", "auth/group/?p=1", "auth/user/", "auth/user/1/change/")
AUTH = {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()}


def test_httpbin(cow_worker):
    for _ in range(5):
        for page in PAGES:
            assert cow_worker.get(page).status_code == 200


def test_django(cow_worker):
    form = cow_worker.get(LOGIN).text.partition('name="csrfmiddlewaretoken" value="')[2]
    sent = {"username": "ann", "password": "secret"}
    sent["csrfmiddlewaretoken"] = form.partition('"')[0]
    assert cow_worker.post(LOGIN, data=sent).status_code == 302
    for _ in range(8):
        for page in LISTS:
            assert cow_worker.get(f"/admin/{page}").status_code == 200


def test_radicale(cow_worker):
    for _ in range(20):
        response = cow_worker.request("PROPFIND", "/ann/", headers=AUTH)
        assert response.status_code == 207
        assert cow_worker.get("/.web/", headers=AUTH).status_code == 200


def test_sqlite_web(cow_worker):
    for _ in range(8):
        for page in ("/", "/book/", "/reader/", "/book/content/", "/query/"):
            assert cow_worker.get(page).status_code == 200


def test_fastapi(cow_worker):
    for _ in range(2):
        for number in range(10):
            assert cow_worker.get(f"/products?page={number}").status_code == 200
            assert cow_worker.get(f"/products/{number}").status_code == 200
