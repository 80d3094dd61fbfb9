"""What can go wrong; each text has the cause and the mend. Runs in the pytest process."""


class CowmemError(Exception):
    """The base of all errors this plugin raises."""


class UsageError(CowmemError):
    """Something the user wrote is invalid: a marker, an option, an app's name, a baseline file."""


class AppFailed(CowmemError):
    """The app could not be preloaded; the text holds the app's traceback."""


class ZygoteDied(CowmemError):
    """The zygote ended on its own; the next test gets a new one."""


class WorkerDied(CowmemError):
    """The worker ended before it answered, or was killed for taking too long."""


class MixedStatuses(CowmemError):
    """The responses of one burst did not all have the same status."""


class CallRaised(CowmemError):
    """A function called in the worker raised; the text holds its traceback."""


class CannotMeasure(CowmemError):
    """This machine or this test does not give what a measurement needs."""


def wrong_and_right(problem: str, wrong: str, right: str) -> UsageError:
    """A usage error that shows the line as written and as it should be."""
    return UsageError(f"{problem}\n    wrong: {wrong}\n    right: {right}")
