"""Each recipe of the how-to pages runs as it is printed: its files, and `pytest --cowmem`."""

import pytest
from folders import APPS
from recipes import files

# The page, the test's file, and what else of the page that needs.
RECIPES = [
    ("asgi.md", "test_shop.py", ["shop.py"], 2),
    ("django.md", "test_site.py", ["site_settings.py", "site_urls.py", "site_wsgi.py"], 2),
    ("tasks.md", "test_jobs.py", ["jobs.py"], 3),
    ("tasks.md", "test_proj.py", ["proj.py"], 2),
    ("tasks.md", "test_models.py", ["models.py"], 1),
    ("tasks.md", "test_supervised.py", ["supervised.py"], 1),
]


@pytest.mark.parametrize(("page", "test", "others", "passed"), RECIPES)
def test_a_recipe_runs_as_it_is_printed(pytester, page, test, others, passed):
    shown = files(page)
    for name in (test, *others):
        pytester.path.joinpath(name).write_text(shown[name])
    pytester.makeini("[pytest]\ncowmem_rounds = 1\n")
    run = pytester.runpytest_subprocess("--cowmem", "-p", "no:cacheprovider", test)
    run.assert_outcomes(passed=passed)


def test_gunicorn_runs_what_the_page_shows(pytester):
    shop = pytester.mkpydir("shop")
    (shop / "wsgi.py").write_text("from bare import quiet as app\n")
    pytester.makeconftest(files("gunicorn.md")["conftest.py"])
    pytester.makepyfile("def test_it(cow_worker): assert cow_worker.get('/').text == 'ok'")
    pytester.makeini(f"[pytest]\ncowmem_rounds = 1\npythonpath = . '{APPS}'\n")
    run = pytester.runpytest_subprocess("--cowmem", "-p", "no:cacheprovider")
    run.assert_outcomes(passed=1)
    run.stdout.re_match_lines(["gunicorn shop.wsgi:app, server gunicorn:.*"])


def test_all_that_the_pages_show_is_run():
    for page in {page for page, *_ in RECIPES}:
        used = {name for at, test, others, _ in RECIPES if at == page for name in (test, *others)}
        assert set(files(page)) == used
