"""Describe an exception for the pytest process. Runs in the zygote and its forks."""

import os
import traceback


def described(error: BaseException) -> "tuple[str, str]":
    """An exception in one line, and its traceback from the app's first frame on."""
    trace = error.__traceback__
    here = os.path.dirname(__file__) + os.sep
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(here):
        trace = trace.tb_next
    line = "".join(traceback.format_exception_only(error)).strip()
    if trace is None:
        return line, line
    return line, "".join(traceback.format_exception(type(error), error, trace))
