import pytest

from pytest_cowmem import App


@pytest.fixture(scope="session")
def cow_app():
    return App("site_wsgi:application", prepare="site_wsgi:fill")
