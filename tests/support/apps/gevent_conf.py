"""A gunicorn's configuration that patches the standard library before all else."""

from gevent import monkey

monkey.patch_all()
preload_app = True
worker_class = "gevent"
