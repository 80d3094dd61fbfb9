"""An app that tells what environment and folder it finds itself in."""

import ctypes
import os
import subprocess

variables = dict(os.environb)
folder = os.getcwd()
os.environ["LEFT_BY_THE_IMPORT"] = "1"
os.chdir("/")

getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def found():
    """What was there when it was imported."""
    return list(variables.items()), folder


def told_by_c(name):
    return getenv(name)


def of_a_child():
    printed = subprocess.run(["env", "-0"], stdout=subprocess.PIPE, check=True).stdout
    return dict(line.split(b"=", 1) for line in printed.split(b"\0") if line)


def change(name, value):
    """Set a variable, or delete it where `value` is None."""
    if value is None:
        del os.environb[name]
    else:
        os.environb[name] = value
