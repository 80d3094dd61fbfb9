"""The project's app, by the name that its pytest.ini has. Runs in the zygote."""

import importlib
from configparser import ConfigParser

ini = ConfigParser()
ini.read("pytest.ini")
module, _, name = ini["pytest"]["cowmem_app"].partition(":")
inner = getattr(importlib.import_module(module), name)
