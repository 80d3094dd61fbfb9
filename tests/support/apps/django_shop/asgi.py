"""The ASGI application."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "django_shop.settings"

from django.core.asgi import get_asgi_application

application = get_asgi_application()
