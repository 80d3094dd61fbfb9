"""What a service of today imports, and two pages that use a little of it."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network for prices

import boto3
import litellm
import matplotlib.pyplot
import pandas
import pydantic_ai

FRAME = pandas.DataFrame({"number": range(1000)})
LIBRARIES = (boto3, litellm, matplotlib.pyplot, pandas, pydantic_ai)


def app(environ, start_response):
    """Say how many libraries there are, or what the numbers come to."""
    if environ["PATH_INFO"] == "/total":
        text = str(FRAME["number"].sum())
    else:
        text = ", ".join(library.__name__ for library in LIBRARIES)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
