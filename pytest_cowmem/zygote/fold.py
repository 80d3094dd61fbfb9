"""Fold library code up to the line of the app that led there. Runs in a traced worker.

Nothing here runs foreign code: code objects, frames and their dictionaries are read as what they are.
"""

import os
from types import CodeType, FrameType

_LIBRARY_FOLDERS = frozenset({"site-packages", "dist-packages", ".venv", "venv", ".tox", ".nox", "__pypackages__"})
_IMPORTLIB = "<frozen importlib._bootstrap>"
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep

# Codes stand for themselves by their id(), and what was being imported by a number.
Key = tuple[int, int, int, int, int]
Row = tuple["str | None", int, str, "str | None", int, str, "tuple[str, str] | None"]


class Folder:
    """Tells the app's files from libraries', and folds stacks. `roots` are the app's folders."""

    def __init__(self, roots: "list[str]") -> None:
        self._roots = [os.path.join(os.path.abspath(root), "") for root in roots]
        self._known: dict[str, bool] = {}
        self._codes: dict[int, CodeType] = {}
        self._imports: list[tuple[str, str] | None] = [None]

    def know(self, code: CodeType) -> int:
        """The number of a code object, which is kept alive."""
        number = id(code)
        if number not in self._codes:
            self._codes[number] = code
        return number

    def is_app(self, path: str) -> bool:
        """Whether a code object's file is the app's own: under a root, and neither installed nor part of Python or of this plugin."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._is_app(path)
        return known

    def app_code(self) -> "list[CodeType]":
        """The app's among the known code objects."""
        return [code for code in self._codes.values() if self.is_app(code.co_filename)]

    def _is_app(self, path: str) -> bool:
        if path.startswith((_HERE, _STDLIB)):
            return False
        for root in self._roots:
            if path.startswith(root):
                return _LIBRARY_FOLDERS.isdisjoint(path[len(root) :].split(os.sep))
        return False

    def key(self, frame: "FrameType | None", line: int) -> Key:
        """What to charge for `line` of `frame`: the nearest app line, the library line under it, and the modules being imported.

        No app line when none of the app is on the stack, no library line when the app's own line ran.
        """
        app = library = app_line = library_line = 0
        above, here = frame, line
        while above is not None:
            code = above.f_code
            if self.is_app(code.co_filename):
                app, app_line = self.know(code), here
                break
            if not library:
                library, library_line = self.know(code), here
            above = above.f_back
            here = above.f_lineno or 0 if above is not None else 0
        return app, app_line, library, library_line, self._import(importing(frame))

    def _import(self, names: "tuple[str, str] | None") -> int:
        if names is None:
            return 0
        if names not in self._imports:
            self._imports.append(names)
        return self._imports.index(names)

    def named(self, key: Key) -> Row:
        """A key as (app file, line, function, library file, line, function, imported modules), for marshal."""
        app, app_line, library, library_line, names = key
        return *self._place(app, app_line), *self._place(library, library_line), self._imports[names]

    def _place(self, number: int, line: int) -> "tuple[str | None, int, str]":
        if not number:
            return None, 0, ""
        code = self._codes[number]
        return code.co_filename, line, getattr(code, "co_qualname", code.co_name)  # co_qualname: 3.11+


def importing(frame: "FrameType | None") -> "tuple[str, str] | None":
    """The modules being imported on this stack: the outermost, which a statement of the app named, and the innermost."""
    outermost = innermost = None
    while frame is not None:
        code = frame.f_code
        if code.co_name == "_find_and_load" and code.co_filename == _IMPORTLIB:
            name = frame.f_locals.get("name")
            if type(name) is str:
                outermost, innermost = name, innermost or name
        frame = frame.f_back
    return (outermost, innermost) if outermost and innermost else None
