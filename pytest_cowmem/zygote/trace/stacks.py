"""Find the line of the app that a stack is charged to. Runs in a traced worker.

Nothing here runs foreign code: code objects, frames and their dictionaries are read as what they
are.
"""

import os
from types import CodeType, FrameType

from pytest_cowmem.zygote.trace import namespaces

_LIBRARY_FOLDERS = frozenset(
    {"site-packages", "dist-packages", ".venv", "venv", ".tox", ".nox", "__pypackages__"}
)
_IMPORTLIB = "<frozen importlib._bootstrap>"
ZYGOTE_SIDE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# What Django's `get_response` runs, which a middleware calls: it takes no `start_response`.
_DJANGOS = frozenset(
    {
        "convert_exception_to_response.<locals>.inner",
        "BaseHandler.get_response",
        "MiddlewareMixin.__call__",
    }
)
STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_plain = str.__str__  # a plain copy of what is a kind of text, without asking it

# Numbers for: the app's code object and line, the library's, and the modules being imported.
# A code object's number is its id(), or below zero for one that is brief; 0 stands for none.
Key = tuple[int, int, int, int, int]
# The app's (file, line, function), the library's, and the (outermost, innermost) module imported.
Row = tuple["str | None", int, str, "str | None", int, str, "tuple[str, str] | None"]
_NOWHERE = (0, 0)
_OPTIMIZED = 1  # CO_OPTIMIZED, of functions (Include/cpython/code.h)


class StackTable:
    """Reduces stacks to keys of five numbers, and keys to names.

    `roots` are the app's folders, and the files of its modules that are in none of them.
    """

    def __init__(self, roots: "list[str]") -> None:
        self._roots = sorted(map(_beginning, roots), key=len, reverse=True)
        self._is_app_by_path: dict[str, bool] = {}
        self._codes: dict[int, CodeType] = {}
        self._briefs: dict[str, int] = {}
        self._entries: set[int] = set()
        self._templates: dict[int, str] = {}  # what jinja2 says of their lines, by code object
        self._imports: list[tuple[str, str] | None] = [None]

    def size(self) -> int:
        """How many entries the tables have; they take memory that stays taken."""
        paths, codes = len(self._is_app_by_path), len(self._codes) + len(self._entries)
        return paths + codes + len(self._briefs) + len(self._imports) + len(self._templates)

    def number(self, code: CodeType) -> int:
        """The number of a code object, which is kept alive from then on unless it is brief.

        All brief ones of a file and a name have one number.
        """
        if self._is_brief(code):
            name = f"{_plain(code.co_filename)}\0{_plain(code.co_qualname)}"
            return self._briefs.setdefault(name, ~len(self._briefs))
        number = id(code)
        if number not in self._codes:
            self._codes[number] = code
            if _takes_a_request(code):
                self._entries.add(number)
        return number

    def is_entry(self, code: CodeType) -> bool:
        """Whether a request enters an app by a code object that was numbered.

        A line that calls it passes the request on, and what it leads to is not that line's.
        """
        return id(code) in self._entries

    def _is_brief(self, code: CodeType) -> bool:
        """Whether a code object runs once, and is given back then: a module's or a class's body.

        To keep it would take memory that the app does not: a template is one. What the app's own
        modules fill is looked for in their bodies, too, so these are kept.
        """
        if code.co_flags & _OPTIMIZED:
            return False
        path = _plain(code.co_filename)
        return not (path.endswith(".py") and self.is_app(path))

    def is_app(self, path: str) -> bool:
        """Whether a code object's file is the app's own.

        It lies under a root then. Installed files are left out, and those of Python and of this
        plugin. The innermost root counts: an installed app that is a root itself is no library.
        """
        path = _plain(path)  # a code object's file can be any kind of text
        answer = self._is_app_by_path.get(path)
        if answer is None:
            answer = self._is_app_by_path[path] = self._look_up(path)
        return answer

    def app_code(self) -> "list[CodeType]":
        """The app's among the numbered code objects."""
        return [code for code in self._codes.values() if self.is_app(code.co_filename)]

    def _look_up(self, path: str) -> bool:
        if path.startswith(ZYGOTE_SIDE) or _is_pythons(path):
            return False
        for root in self._roots:
            if path.startswith(root):
                return _LIBRARY_FOLDERS.isdisjoint(path[len(root) :].split(os.sep))
        return False

    def key(self, frame: "FrameType | None", line: int) -> Key:
        """What to charge for `line` of `frame`.

        It is the nearest line of the app, the line of a library that it led to, and the modules
        being imported. No app line is given when the app is not on the stack, or when its lines
        there only passed the request on. No library line is given when the app's own line ran.

        The app line during an import is the nearest above the outermost import, which is what the
        app would have to move. The innermost app line in the imported module then takes the place
        of a library's line.
        """
        app = library = imported = _NOWHERE
        innermost = outermost = None
        is_passed_on = False
        above, here = frame, line
        while above is not None:
            code = above.f_code
            if self.is_app(code.co_filename):
                if app == _NOWHERE and not is_passed_on:
                    app = self.number(code), here
                    self._note_template(above)
            elif library == app == imported == _NOWHERE:
                library = self.number(code), here
            if name := _imported(above):
                innermost, outermost = innermost or name, name
                if imported == _NOWHERE:
                    imported = app
                app, is_passed_on = _NOWHERE, False
            elif self.is_entry(code):
                is_passed_on = True
            above = above.f_back
            here = (above.f_lineno or 0) if above is not None else 0
        if imported != _NOWHERE:
            app, library = (app, imported) if app != _NOWHERE else (imported, library)
        names = (outermost, innermost) if outermost and innermost else None
        return (*app, *library, self._number_of_import(names))

    def _note_template(self, frame: FrameType) -> None:
        """Keep how the lines of a template's code are to be read, where the app has templates."""
        if _plain(frame.f_code.co_filename).endswith(".py") or id(frame.f_code) in self._templates:
            return
        lines = namespaces.special(frame.f_globals, "debug_info")
        if type(lines) is str:
            self._templates[id(frame.f_code)] = lines

    def _number_of_import(self, names: "tuple[str, str] | None") -> int:
        if names not in self._imports:
            self._imports.append(names)
        return self._imports.index(names)

    def named(self, key: Key) -> Row:
        """A key's row of names and lines, of types that marshal takes."""
        app, app_line, library, library_line, names = key
        return (
            *self._place(app, app_line),
            *self._place(library, library_line),
            self._imports[names],
        )

    def _place(self, number: int, line: int) -> "tuple[str | None, int, str]":
        if not number:
            return None, 0, ""
        if number < 0:
            path, _, name = [*self._briefs][~number].partition("\0")
            return path, 1 if self.is_app(path) else line, name  # a template's own code
        code = self._codes[number]
        if number in self._templates:
            line = _template_line(self._templates[number], line)
        return _plain(code.co_filename), line, _plain(code.co_qualname)


def _beginning(root: str) -> str:
    """What the paths under a root begin with."""
    return (
        os.path.abspath(root) if root.endswith(".py") else os.path.join(os.path.abspath(root), "")
    )


def _is_pythons(path: str) -> bool:
    """Whether a file is of the standard library, in whose folder a system installs packages."""
    if not path.startswith(STDLIB):
        return False
    return _LIBRARY_FOLDERS.isdisjoint(path[len(STDLIB) :].split(os.sep))


def _takes_a_request(code: CodeType) -> bool:
    """Whether a function is a whole app: one of WSGI or ASGI, or what Django's middleware calls.

    A look at `co_varnames` would leave a tuple with each code object (Objects/codeobject.c).
    """
    name_at = code._varname_from_oparg  # type: ignore[attr-defined]
    for number in range(code.co_argcount):
        if name_at(number) in ("start_response", "receive"):
            return True
    return _plain(code.co_qualname) in _DJANGOS


def _template_line(lines: str, line: int) -> int:
    """The line of a template from that of its code. `lines` is "3=12&4=15": the template's first.

    A line is that of the last one before it, as jinja2's Template.get_corresponding_lineno has it.
    It stays as it is where these are no lines of a template.
    """
    try:
        pairs = [tuple(map(int, pair.split("="))) for pair in lines.split("&") if pair]
        return next((of for of, start in reversed(pairs) if start <= line), 1)
    except ValueError:
        return line


def _imported(frame: FrameType) -> "str | None":
    """The module that a frame of the import system is about to load."""
    if frame.f_code.co_name == "_find_and_load" and frame.f_code.co_filename == _IMPORTLIB:
        name = frame.f_locals.get("name")
        return name if type(name) is str else None
    return None
