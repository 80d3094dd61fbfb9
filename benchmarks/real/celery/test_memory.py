def perform(worker, name, *args):
    return worker.call("tasks:perform", name, *args)


def test_one_task(cow_worker):
    assert perform(cow_worker, "add", 2, 3) == 5


def test_totals(cow_worker):
    assert perform(cow_worker, "monthly_total", 3) > 0
    assert perform(cow_worker, "monthly_total", 4) > 0


def test_several_tasks(cow_worker):
    for number in range(10):
        perform(cow_worker, "add", number, 1)
        perform(cow_worker, "render", f"table {number}", 200 * number)


def test_many_tasks(cow_worker):
    for _ in range(50):
        perform(cow_worker, "render", "table", 100)


def test_late_imports(cow_worker):
    assert perform(cow_worker, "send", "ann@example.org") == "ann@example.org 25 mailbox"


def test_collection(cow_worker):
    perform(cow_worker, "tidy")
    perform(cow_worker, "add", 1, 1)
