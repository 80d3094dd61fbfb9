"""The Flask shop, with a route that runs a full collection: each worker that lives long has one."""

import gc

from flask_shop import app


@app.get("/collect")
def collect():
    return {"unreachable": gc.collect()}
