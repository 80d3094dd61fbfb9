"""httpbin, as its own documentation serves it."""

from httpbin import app as app


def report():
    """What a page that few ask for would import."""
    import csv
    import mailbox

    return csv.__name__, mailbox.__name__
