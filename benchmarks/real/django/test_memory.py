LOGIN = "/admin/login/?next=/admin/"


def token(page):
    return page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]


def log_in(worker):
    sent = {"username": "ann", "password": "secret"}
    sent["csrfmiddlewaretoken"] = token(worker.get(LOGIN))
    assert worker.post(LOGIN, data=sent).status_code == 302


def test_login_page(cow_worker):
    assert cow_worker.get(LOGIN).status_code == 200


def test_log_in(cow_worker):
    log_in(cow_worker)
    assert "Site administration" in cow_worker.get("/admin/").text


def test_lists(cow_worker):
    log_in(cow_worker)
    for url in ("auth/group/", "auth/group/?p=2", "auth/user/", "auth/user/1/change/"):
        assert cow_worker.get(f"/admin/{url}").status_code == 200


def test_add_groups(cow_worker):
    log_in(cow_worker)
    for number in range(10):
        form = token(cow_worker.get("/admin/auth/group/add/"))
        sent = {"name": f"new group {number}", "csrfmiddlewaretoken": form}
        assert cow_worker.post("/admin/auth/group/add/", data=sent).status_code == 302


def test_burst(cow_worker):
    cow_worker.burst("GET", LOGIN, times=200)


def test_collection_and_late_imports(cow_worker):
    log_in(cow_worker)
    cow_worker.call("site_wsgi:report")
    cow_worker.call("gc:collect")
    assert cow_worker.get("/admin/").status_code == 200
