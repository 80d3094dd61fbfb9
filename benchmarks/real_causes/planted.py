"""The project's app with causes to plant. Runs in the zygote and its workers.

A header of each request names the cause that is planted in it, once the app has done its own.
"""

import sys

import causes
from inner import inner


def perform(environ, start_response):
    """Perform a task of Celery, whose tasks are called and not requested."""
    start_response("200 OK", [])
    return [str(sys.modules["tasks"].perform("add", 2, 3)).encode()]


served = perform if "tasks" in sys.modules else inner


def app(environ, start_response):
    """Serve a request, and plant a cause in it."""
    response = served(environ, start_response)
    getattr(causes, environ["HTTP_X_CAUSE"])()
    return response
