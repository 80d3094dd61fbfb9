"""The project's app with causes to plant. Runs in the zygote and its workers.

A worker is told by a call which cause is planted in each of its requests from then on.
"""

import causes
from wrapped import wrapped

chosen = causes.nothing


def choose(cause):
    """Plant a cause."""
    global chosen
    chosen = getattr(causes, cause)


def plant():
    """Do what was chosen."""
    chosen()


app = wrapped(plant)
