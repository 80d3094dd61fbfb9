"""A report as one HTML page that needs no other file. Runs in the process that writes it.

A page is a template in templates/ that extends base.html. What a template is given is text, and is
escaped. The page's policy (CSP) lets no script or style run but these files, and nothing load.
"""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from pytest_cowmem.model.errors import UsageError

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
except ModuleNotFoundError:
    raise UsageError(
        "a report in HTML needs Jinja2, which is not installed: pip install 'pytest-cowmem[html]'"
    ) from None

_TEMPLATES = files(__package__) / "templates"
_ENVIRONMENT = Environment(
    loader=PackageLoader(__package__, "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    template: str, styles: Sequence[str] = (), scripts: Sequence[str] = (), **values: object
) -> str:
    """The page of a template, with base.css before the other styles, and scripts in order."""
    style, script = _joined(("base.css", *styles)), _joined(scripts)
    return _ENVIRONMENT.get_template(template).render(
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        **values,
    )


def _joined(names: Sequence[str]) -> str:
    return "\n".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    """What a content security policy calls a text by."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
