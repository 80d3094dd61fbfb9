"""A WSGI callable beside the tasks, since an app to measure has to be one."""

import tasks as tasks


def application(environ, start_response):
    """Serve nothing: tasks are called."""
    start_response("404 Not Found", [])
    return [b""]
