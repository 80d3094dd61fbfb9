"""Radicale, a bare WSGI server of calendars, with its files in a temporary folder."""

import tempfile

from radicale import config
from radicale.app import Application

FOLDER = tempfile.mkdtemp()

configuration = config.load()
configuration.update(
    {
        "auth": {"type": "none"},
        "rights": {"type": "authenticated"},
        "storage": {"filesystem_folder": FOLDER, "_filesystem_fsync": "False"},
        "logging": {"level": "error"},
    },
    "wsgi",
    privileged=True,
)
app = Application(configuration)


def report():
    """What a page that few ask for would import."""
    import ftplib
    import pydoc

    return ftplib.__name__, pydoc.__name__
