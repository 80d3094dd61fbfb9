"""A Celery app with tasks."""

import os

from celery import Celery

app = Celery("tasks", broker="memory://", backend="cache+memory://")


@app.task
def add(one, other):
    return one + other


@app.task(bind=True)
def names_itself(self):
    return self.name, os.getpid()
