"""A Django app is measured beside pytest-django, whose databases are of the pytest process."""

import pytest
from recipes import files

pytest.importorskip("pytest_django", reason="make test-neighbours has it")

OF_PYTEST_DJANGO = """
import pytest
from django.contrib.auth.models import User

@pytest.mark.django_db
def test_of_pytest_django(client, django_user_model):
    django_user_model.objects.create_user("bob")
    assert User.objects.count() == 1
    assert client.get("/me").json() == {"name": ""}

def test_worker(cow_worker):
    cow_worker.cookies.set("sessionid", "session-of-ada")
    assert cow_worker.get("/me").json() == {"name": "ada"}
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_workers_have_the_zygotes_database_and_tests_their_own(pytester, options):
    for name, text in files("django.md").items():
        pytester.path.joinpath(name).write_text(text)
    pytester.makepyfile(test_both=OF_PYTEST_DJANGO + files("django.md")["test_site.py"])
    settings = "DJANGO_SETTINGS_MODULE = site_settings"
    pytester.makeini(f"[pytest]\ncowmem_rounds = 1\npythonpath = .\n{settings}\n")
    run = pytester.runpytest_subprocess("--cowmem", "-p", "no:cacheprovider", *options)
    run.assert_outcomes(passed=6)
