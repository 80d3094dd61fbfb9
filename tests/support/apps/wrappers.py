"""Code of a user's own around an app that is installed: wrappers, a decorator and middleware.

Each line that passes a request on has its name in a comment, as has each that keeps something.
"""

import functools
import json
import os
import re

from flask_shop import app as shop

kept = []
NUMBERS = json.dumps([list(range(1_000_000, 1_000_100)) for _ in range(200)])
WORDS = "|".join(f"(?P<word{number}>[a-z]{{2}}{number}.*?)" for number in range(300))


class Wrapper:
    """A WSGI app around another."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/json":
            kept.append(b"x" * 1_000_000)  # keeps in wrapper
        return self.app(environ, start_response)  # passes on in wrapper


def decorated(app):
    """A decorator that knows nothing of what it is put around."""

    @functools.wraps(app)
    def wrapper(*args, **kwargs):
        return app(*args, **kwargs)  # passes on in decorator

    return wrapper


class Middleware:
    """A middleware of Django's."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.paths = []

    def __call__(self, request):
        if request.path == "/count":
            self.paths.append(request.path * 64)  # paths in middleware
        if request.path == "/json":
            kept.append(b"x" * 1_000_000)  # keeps in middleware
        return self.get_response(request)  # passes on in middleware


def middleware(get_response):
    """The same as a function."""

    def call(request):
        return get_response(request)  # passes on in function

    return call


def parse():
    """One line that has two libraries work."""
    kept.append((re.compile(WORDS), json.loads(NUMBERS)))  # two libraries


wrapped = Wrapper(decorated(Wrapper(shop)))


def site():
    """The Django project with the middleware outside of its own."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    os.environ["DJANGO_SETTINGS_MODULE"] = "django_shop.settings"
    inner = settings.MIDDLEWARE
    settings.MIDDLEWARE = ["wrappers.Middleware", "wrappers.middleware", *inner]
    return get_wsgi_application()
