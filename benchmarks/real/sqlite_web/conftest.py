import pytest

from pytest_cowmem import App


@pytest.fixture(scope="session")
def cow_app():
    return App("wsgi:app", after_fork="wsgi:fill")
