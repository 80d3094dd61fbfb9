"""Fold library code up to the line of the app that led there. Runs in a traced worker.

Nothing here runs foreign code: code objects, frames and their dictionaries are read as what they are.
"""

import os
from types import CodeType, FrameType

_LIBRARY_FOLDERS = frozenset(
    {"site-packages", "dist-packages", ".venv", "venv", ".tox", ".nox", "__pypackages__"}
)
_IMPORTLIB = "<frozen importlib._bootstrap>"
_HERE = (
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
)  # the zygote side of this plugin
_plain = str.__str__  # a plain copy of what is a kind of text, without asking it
_STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep

# Codes stand for themselves by their id(), and what was being imported by a number.
Key = tuple[int, int, int, int, int]
Row = tuple["str | None", int, str, "str | None", int, str, "tuple[str, str] | None"]


class Folder:
    """Tells the app's files from libraries', and folds stacks. `roots` are the app's folders."""

    def __init__(self, roots: "list[str]") -> None:
        self._roots = sorted(
            {os.path.join(os.path.abspath(root), "") for root in roots}, key=len, reverse=True
        )
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
        """Whether a code object's file is the app's own: under a root, and neither installed nor part of Python or of this plugin.

        The innermost root counts, so an installed app that is a root itself is no library.
        """
        path = _plain(path)  # a code object's file can be any kind of text
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._is_app(path)
        return known

    def app_code(self) -> "list[CodeType]":
        """The app's among the known code objects."""
        return [code for code in self._codes.values() if self.is_app(code.co_filename)]

    def _is_app(self, path: str) -> bool:
        if path.startswith(_HERE) or _is_pythons(path):
            return False
        for root in self._roots:
            if path.startswith(root):
                return _LIBRARY_FOLDERS.isdisjoint(path[len(root) :].split(os.sep))
        return False

    def key(self, frame: "FrameType | None", line: int) -> Key:
        """What to charge for `line` of `frame`: the nearest app line, the library line under it, and the modules being imported.

        While modules are imported, it is the nearest app line above the outermost import, which is what the app would have to move; the
        nearest in what is imported stands for the library line then. No app line when none of the app is on the stack, no library line
        when the app's own line ran.
        """
        app = library = imported = (0, 0)
        innermost = outermost = None
        above, here = frame, line
        while above is not None:
            code = above.f_code
            if self.is_app(code.co_filename):
                app = app if app[0] else (self.know(code), here)
            elif not (library[0] or app[0] or imported[0]):
                library = self.know(code), here
            if name := _imported(above):
                innermost, outermost = innermost or name, name
                imported, app = imported if imported[0] else app, (0, 0)
            above = above.f_back
            here = above.f_lineno or 0 if above is not None else 0
        if imported[0]:
            app, library = (app, imported) if app[0] else (imported, library)
        return (
            *app,
            *library,
            self._import((outermost, innermost) if outermost and innermost else None),
        )

    def _import(self, names: "tuple[str, str] | None") -> int:
        if names is None:
            return 0
        if names not in self._imports:
            self._imports.append(names)
        return self._imports.index(names)

    def named(self, key: Key) -> Row:
        """A key as (app file, line, function, library file, line, function, imported modules), for marshal."""
        app, app_line, library, library_line, names = key
        return (
            *self._place(app, app_line),
            *self._place(library, library_line),
            self._imports[names],
        )

    def _place(self, number: int, line: int) -> "tuple[str | None, int, str]":
        if not number:
            return None, 0, ""
        code = self._codes[number]
        return (
            _plain(code.co_filename),
            line,
            _plain(getattr(code, "co_qualname", code.co_name)),
        )  # co_qualname: 3.11+


def _is_pythons(path: str) -> bool:
    """Whether a file is of the standard library; what is installed for a system's Python lies in a folder of it."""
    return path.startswith(_STDLIB) and _LIBRARY_FOLDERS.isdisjoint(
        path[len(_STDLIB) :].split(os.sep)
    )


def _imported(frame: FrameType) -> "str | None":
    """The module that a frame of the import system is about to load."""
    if frame.f_code.co_name == "_find_and_load" and frame.f_code.co_filename == _IMPORTLIB:
        name = frame.f_locals.get("name")
        return name if type(name) is str else None
    return None
