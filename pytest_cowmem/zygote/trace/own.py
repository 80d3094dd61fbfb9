"""Find the files of the app's own code. Runs in the twin of a traced worker."""

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def own_roots(names: "Iterable[str]", path: "list[str]", target: str) -> "list[str]":
    """The folders of the app's own code, and the files of its own modules that are no packages.

    They are those of the modules that the user names. Where none is named, they are the folders on
    `path` and the package that `module:attr` is in, which may be installed. LookupError with the
    name of a module that has no place.
    """
    roots = []
    for name in names:
        places = _places(name)
        if not places:
            raise LookupError(name)
        roots += places
    return roots or [*path, *_places(target.partition(":")[0].partition(".")[0])]


def _places(name: str) -> "list[str]":
    """A package's folders, or a module's file. A module that is not loaded is not imported."""
    module = sys.modules.get(name)
    if isinstance(module, ModuleType):
        names = vars(module)
        folders, file = names.get("__path__"), names.get("__file__")
    else:
        spec = _spec(name)
        folders, file = (
            getattr(spec, "submodule_search_locations", None),
            getattr(spec, "origin", None),
        )
    places = [file] if folders is None else folders
    return [place for place in places if type(place) is str]


def _spec(name: str) -> Any:
    """What the import system would load a module by, None where it finds none.

    `importlib.util.find_spec` would import the packages that the module is in.
    """
    spec, folders, package = None, None, ""
    for part in name.split("."):
        if package and folders is None:
            return None
        package = f"{package}.{part}" if package else part
        found = (finder.find_spec(package, folders) for finder in sys.meta_path)
        spec = next(filter(None, found), None)
        folders = getattr(spec, "submodule_search_locations", None)
    return spec
