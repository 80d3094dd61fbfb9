"""The configuration of the docs site: Sphinx with MyST, so that pages are plain Markdown.

Sphinx was chosen because it is kept: several releases a year, by many people. MkDocs had its last
release in August 2024, its version 2 drops plugins and themes, and its successors are at 0.x.
Sphinx and MyST also check every link and anchor, and fail on a broken one (`make docs`).
"""

from importlib.metadata import version as installed_version

project = "pytest-cowmem"
author = "the pytest-cowmem developers"
release = version = installed_version(project)

# The source folder is the root of the repository, for links between docs, README and other pages
# there to be the same on the site and in a checkout, and to be checked alike.
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "example_project/README.md"]
exclude_patterns = [".*", "build", "dist"]

extensions = ["myst_parser"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = project
html_extra_path = ["site"]  # index.html, which leads from the top of the site to docs/index.html
html_copy_source = False
