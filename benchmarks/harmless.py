"""Edits of Python source that change nothing the program does. Pure: text in, text out."""

import ast
import random
from collections.abc import Callable

Lines = list[str]  # of a file, each with its end
Edit = Callable[[ast.Module, Lines, random.Random], None]
Function = ast.FunctionDef | ast.AsyncFunctionDef

WORDS = ["order", "price", "shelf", "window", "garden", "letter", "planet", "bridge", "candle"]
MOST = 6  # edits of one file


def edited(source: str, rng: random.Random) -> str:
    """Return the source with one to MOST edits; each adds something nobody uses, or moves a def."""
    changed = source
    while changed == source:
        for _ in range(rng.randint(1, MOST)):
            lines = [f"{line}\n" for line in changed.split("\n")]
            rng.choice(EDITS)(ast.parse(changed), lines, rng)
            changed = "".join(lines).rstrip("\n") + "\n"
    compile(changed, "edited", "exec")
    return changed


def add_function(tree: ast.Module, lines: Lines, rng: random.Random) -> None:
    """Add a function that nobody calls."""
    body = [f"    {name} = {name!r} * count\n" for name in rng.sample(WORDS, rng.randint(1, 6))]
    head = f"def {_name(rng)}(count={rng.randint(0, 9)}):\n"
    _insert(tree, lines, rng, [head, f'    """{_sentence(rng)}"""\n', *body])


def add_constant(tree: ast.Module, lines: Lines, rng: random.Random) -> None:
    """Add a constant that nobody reads: a text, numbers, or empty lists."""
    size = rng.randint(1, 60)
    values: list[object] = [
        _sentence(rng),
        [rng.randint(0, 10**6) for _ in range(size)],
        [[] for _ in range(size)],
        {_name(rng): number for number in range(size)},
    ]
    _insert(tree, lines, rng, [f"{_name(rng).upper()} = {rng.choice(values)!r}\n"])


def add_docstring(tree: ast.Module, lines: Lines, rng: random.Random) -> None:
    """Add a docstring to a function that has none."""
    bare = [
        node
        for node in ast.walk(tree)
        if isinstance(node, Function)
        and ast.get_docstring(node, clean=False) is None
        and node.body[0].lineno > _last_line_of_head(node)
        and not _is_decorated(node.body[0])
    ]
    if bare:
        first = rng.choice(bare).body[0]
        indent = " " * first.col_offset
        lines.insert(first.lineno - 1, f'{indent}"""{_sentence(rng)}"""\n')


def swap_functions(tree: ast.Module, lines: Lines, rng: random.Random) -> None:
    """Swap two plain functions that stand next to each other in a module or class."""
    pairs = [
        (one, other)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef)
        for one, other in zip(node.body, node.body[1:], strict=False)
        if _is_plain(one) and _is_plain(other) and vars(one)["name"] != vars(other)["name"]
    ]
    if pairs:
        one, other = rng.choice(pairs)
        first, between, second = (
            lines[one.lineno - 1 : one.end_lineno],
            lines[one.end_lineno : other.lineno - 1],
            lines[other.lineno - 1 : other.end_lineno],
        )
        lines[one.lineno - 1 : other.end_lineno] = [*second, *between, *first]


EDITS: list[Edit] = [add_function, add_constant, add_docstring, swap_functions]


def _insert(tree: ast.Module, lines: Lines, rng: random.Random, added: Lines) -> None:
    """Insert lines before a statement of the module that begins a line, or at the end."""
    places = [len(lines)]
    for before, node in zip(tree.body, tree.body[1:], strict=False):
        start = _first_line(node)
        imported = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if start > (before.end_lineno or 0) and not imported:
            places.append(start - 1)
    place = rng.choice(places)
    lines[place:place] = [*added, "\n\n"]


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _last_line_of_head(function: Function) -> int:
    """The last line on which a part of the head ends: an argument, a default, what it returns."""
    ends = [node.end_lineno or 0 for node in ast.walk(function.args) if isinstance(node, ast.expr)]
    returns = function.returns.end_lineno or 0 if function.returns else 0
    return max([function.lineno, returns, *ends])


def _is_decorated(node: ast.stmt) -> bool:
    return bool(getattr(node, "decorator_list", []))


def _is_plain(node: ast.stmt) -> bool:
    return isinstance(node, Function) and not _is_decorated(node)


def _name(rng: random.Random) -> str:
    return f"unused_{rng.choice(WORDS)}_{rng.randint(0, 10**6)}"


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 30)))
