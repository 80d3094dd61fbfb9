"""A Django project with the admin, served by WSGI."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()


def fill():
    """Make the database, which forks then have each for itself."""
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create_superuser("ann", "ann@example.org", "secret")
    Group.objects.bulk_create(Group(name=f"group {number}") for number in range(200))


def report():
    """What a page that few ask for would import."""
    import imaplib
    import tarfile

    return imaplib.__name__, tarfile.__name__
