"""The WSGI application, and what prepares its database."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "django_shop.settings"

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()


def seed():
    """For `prepare`: make the tables and one user; connections don't survive a fork."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    if not User.objects.exists():
        User.objects.create_user("ada", password="lovelace")
    connections.close_all()
