"""
The house rules that a program can check (design.md, CONTRIBUTING.md), by reading the source and not running it.

Imports count wherever they stand: at the top, in a function, under TYPE_CHECKING. Every check takes the
root of a source tree, so that the last part can show on small trees of its own that each one bites.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from textwrap import dedent

import pytest

ROOT = Path(__file__).parent.parent / "src" / "fencepost"
PACKAGE = "fencepost"

ANYTHING = frozenset({"*"})
ARROWS: dict[str, frozenset[str]] = {
    "model": frozenset({"msgspec"}),
    "wire": frozenset({"model", "msgspec", "xxhash"}),
    "engine": frozenset({"model", "msgspec", "xxhash"}),
    "sources": frozenset({"wire", "model", "msgspec"}),
    "simulation": frozenset({"client", "model", "msgspec", "flatbuffers", "yaml"}),
    "client": frozenset({"wire", "model", "*"}),
    "config": frozenset({"model", "msgspec", "yaml"}),
    "store": frozenset({"model", "*"}),
    "notify": frozenset({"model", "*"}),
    "query": frozenset({"store", "model", "*"}),
    "setup": frozenset({"model", "*"}),
    "service": frozenset({"engine", "wire", "model", "msgspec"}),
    "gateway": frozenset({"net", "service", "wire", "model", "*"}),
    "net": frozenset({"model", "*"}),
    "web": frozenset({"net", "service", "query", "model", "*"}),
    "testing": frozenset({"engine", "model", "msgspec"}),
    "cli": ANYTHING,
    "app": ANYTHING,
    "__main__": ANYTHING,
    "": frozenset(),
}
"""What each room may import besides itself and the standard library; `*` is any other distribution."""
SEES_ALL = frozenset({"cli", "app", "__main__"})

PURE = ("model", "wire", "engine")
TEXT_CONVERSION = frozenset({"AF_INET", "AF_INET6", "inet_pton", "inet_ntop"})
"""What pure rooms may take from `socket`: addresses as text and as bytes, which opens nothing."""
IMPURE_MODULES = frozenset(
    [
        "asyncio",
        "concurrent",
        "ctypes",
        "glob",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "warnings",
    ]
)
PURE_PARTS = {
    ("os.path", "commonprefix"),
    ("urllib.parse", "quote"),
    ("urllib.parse", "unquote"),
    *(("socket", name) for name in TEXT_CONVERSION),
}
"""Parts of impure modules that do nothing but compute."""
IMPURE_CALLS = frozenset(["breakpoint", "eval", "exec", "input", "open", "print", "__import__"])
CLOCK_READS = frozenset({"now", "utcnow", "today"})

ALLOWED_CYCLES: frozenset[frozenset[str]] = frozenset(
    {
        # A device holds its plan, and a check of the plan is handed the device: one is named in the other's
        # annotation only, under TYPE_CHECKING. Merging the two would make one module of two subjects.
        frozenset(
            {
                "engine.active_connections",
                "engine.completeness",
                "engine.device",
                "engine.evaluate",
                "engine.failed_logins",
                "engine.gauges",
                "engine.hub",
                "engine.listed",
                "engine.plan",
                "engine.ranges",
                "engine.sign_ins",
                "engine.turn",
            }
        ),
    }
)

MOST_LINES = 400
LONGEST_BODY = 60
USUAL_BODY = 6


# ------------------------------------------------------------------------------------ reading the source


def modules_of(root: Path) -> dict[str, ast.Module]:
    """Return every module below a package's root by its dotted name inside the package; `` is the root's own."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imports_of(name: str, tree: ast.Module, known: dict[str, ast.Module]) -> Iterator[tuple[str, int]]:
    """Yield what a module imports, with the line: `fencepost.engine.plan`, `xxhash`, ..., deferred or not."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = _absolute(name, module, level, known)
                for alias in names:
                    inner = f"{base}.{alias.name}".removeprefix(f"{PACKAGE}.")
                    is_module = base.split(".")[0] == PACKAGE and inner in known
                    yield (f"{base}.{alias.name}" if is_module else base), node.lineno
            case _:
                pass


def _absolute(name: str, module: str | None, level: int, known: dict[str, ast.Module]) -> str:
    if not level:
        return module or ""
    parts = [PACKAGE, *name.split(".")] if name else [PACKAGE]
    is_package = any(other.startswith(f"{name}.") for other in known) or not name
    parts = parts[: len(parts) - level + is_package]
    return ".".join([*parts, *((module,) if module else ())])


def room_of(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def is_pure(name: str) -> bool:
    return room_of(name) in PURE


# ---------------------------------------------------------------------------------------------- checks


def broken_arrows(root: Path) -> list[str]:
    """Return every import that goes where its room may not look."""
    modules = modules_of(root)
    wrong = []
    for name, tree in modules.items():
        room = room_of(name)
        for target, line in imports_of(name, tree, modules):
            if room not in ARROWS:
                wrong.append(f"{name}: the room {room!r} is not in the table")
            elif not _is_allowed(room, target):
                wrong.append(f"{name}:{line} imports {target}")
    return sorted(set(wrong))


def _is_allowed(room: str, target: str) -> bool:
    first, *rest = target.split(".")
    allowed = ARROWS[room]
    if first == PACKAGE:
        other = rest[0] if rest else ""
        return other in {room, ""} or other in allowed or room in SEES_ALL
    return first in sys.stdlib_module_names or first in allowed or "*" in allowed


def impurities(root: Path) -> list[str]:
    """Return every place in the pure rooms that could touch the world: sockets, files, logs, clocks."""
    wrong = []
    for name, tree in modules_of(root).items():
        if is_pure(name):
            wrong += [f"{name}:{line} {what}" for node in ast.walk(tree) for what, line in _impure(node)]
    return wrong


def _impure(node: ast.AST) -> list[tuple[str, int]]:
    match node:
        case ast.Import(names=names):
            impure = [alias.name for alias in names if alias.name.split(".")[0] in IMPURE_MODULES]
            return [(f"imports {name}", node.lineno) for name in impure]
        case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] in IMPURE_MODULES:
            impure = [alias.name for alias in names if (module, alias.name) not in PURE_PARTS]
            return [(f"imports {name} from {module}", node.lineno) for name in impure]
        case ast.Name(id=called) if called in IMPURE_CALLS:
            return [(f"names {called}()", node.lineno)]
        case ast.Attribute(attr=attr, value=value) if attr in CLOCK_READS and _is_a_clock(value):
            return [(f"reads a clock: {attr}", node.lineno)]
        case _:
            return []


def _is_a_clock(value: ast.expr) -> bool:
    named = (
        value.attr if isinstance(value, ast.Attribute) else value.id if isinstance(value, ast.Name) else ""
    )
    return named in {"datetime", "date"}


def cycles(root: Path, *, typing_too: bool = True) -> list[frozenset[str]]:
    """Return the sets of modules that import each other, directly or not, perhaps for type checkers only."""
    modules = modules_of(root)
    if not typing_too:
        modules = {name: _WithoutGuards().visit(tree) for name, tree in modules.items()}
    edges = {
        name: {
            inner
            for target, _ in imports_of(name, tree, modules)
            if (inner := target.removeprefix(f"{PACKAGE}.")) in modules and inner != name
        }
        for name, tree in modules.items()
    }
    reach = {name: _reachable(name, edges) for name in edges}
    loops = {frozenset(o for o in reach[n] if n in reach[o]) | {n} for n in edges if n in reach[n]}
    return sorted(loops, key=sorted)


class _WithoutGuards(ast.NodeTransformer):
    """Takes away what only a type checker runs."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if "TYPE_CHECKING" in ast.dump(node.test) else self.generic_visit(node)


def _reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [*edges[start]]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += edges[name]
    return seen


def oversized(root: Path) -> list[str]:
    """Return the modules and the functions that have outgrown the budget."""
    lengths = {
        p.relative_to(root): len(p.read_text(encoding="utf-8").splitlines()) for p in root.rglob("*.py")
    }
    long_modules = [f"{path}: {lines} lines" for path, lines in sorted(lengths.items()) if lines > MOST_LINES]
    bodies = {
        f"{name}.{function.name}": body_lines(function)
        for name, tree in modules_of(root).items()
        for function in functions_of(tree)
    }
    return long_modules + [f"{name}: {lines} lines" for name, lines in bodies.items() if lines > LONGEST_BODY]


def functions_of(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function's body has, its docstring apart."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def unannotated(root: Path) -> list[str]:
    """Return the public functions and methods of the pure rooms of which a type is not said."""
    wrong = []
    for name, tree in modules_of(root).items():
        for function in functions_of(tree) if is_pure(name) else ():
            if not function.name.startswith("_") or function.name.startswith("__"):
                wrong += [f"{name}.{function.name}: {what}" for what in _unsaid(function)]
    return wrong


def _unsaid(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    arguments = function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    for argument in every:
        if argument is not None and argument.annotation is None and argument.arg not in {"self", "cls"}:
            yield argument.arg
    if function.returns is None:
        yield "return"


# ------------------------------------------------------------------------------------------- our house


def test_every_import_follows_the_arrows_between_the_rooms() -> None:
    """Deferred imports and those for type checkers included."""
    assert broken_arrows(ROOT) == []


def test_engine_and_wire_never_import_each_other() -> None:
    """What was said, and what it means, are two rooms."""
    assert "wire" not in ARROWS["engine"]
    assert "engine" not in ARROWS["wire"]


def test_model_wire_and_engine_touch_nothing_but_their_arguments() -> None:
    """No socket, no file, no log, no clock."""
    assert impurities(ROOT) == []


def test_no_modules_import_each_other_but_those_argued_for() -> None:
    """A cycle hidden in a function or under TYPE_CHECKING is one, too."""
    strange = [sorted(loop) for loop in cycles(ROOT) if not any(loop <= known for known in ALLOWED_CYCLES)]
    assert strange == []


def test_no_cycle_is_left_when_the_program_runs() -> None:
    """Take what stands under TYPE_CHECKING away, and nothing goes in circles."""
    assert cycles(ROOT, typing_too=False) == []


def test_no_module_and_no_function_outgrows_the_budget() -> None:
    """400 lines a module, 60 a body: the next subject gets its own file."""
    assert oversized(ROOT) == []


def test_everything_public_in_the_pure_rooms_is_annotated() -> None:
    """A type is the first line of documentation."""
    assert unannotated(ROOT) == []


def test_the_median_function_is_reported(record_property: Callable[[str, object], None]) -> None:
    """It should be at most six lines; a report, for no single function is at fault."""
    bodies = [body_lines(f) for tree in modules_of(ROOT).values() for f in functions_of(tree)]
    record_property("median_function_body", median(bodies))
    record_property("budget", USUAL_BODY)
    assert bodies


# --------------------------------------------------------------------------------- the checks themselves


def house(tmp_path: Path, **files: str) -> Path:
    """Write a small package: `engine__plan="..."` becomes engine/plan.py."""
    root = tmp_path / PACKAGE
    for name, text in files.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(dedent(text), encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("engine__plan", "from fencepost.wire import body"),
        ("engine__plan", "import fencepost.wire.body"),
        ("engine__plan", "from fencepost.wire.body import LIMIT"),
        ("engine__plan", "from fencepost import wire"),
        ("engine__plan", "from ..wire import body"),
        ("engine__plan", "from ..wire.body import LIMIT"),
        ("engine__plan", "def f():\n    from fencepost.wire import body"),
        (
            "engine__plan",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from fencepost.wire import body",
        ),
        ("wire__body", "from fencepost.engine.plan import Plan"),
        ("model__rule", "from fencepost.engine.plan import Plan"),
        ("model__rule", "import xxhash"),
        ("engine__plan", "import yaml"),
        ("config__place", "from fencepost.wire.body import LIMIT"),
        ("service__pipeline", "from fencepost.sources.files import read"),
        ("cellar__wine", "import json"),
    ],
)
def test_a_broken_arrow_is_found(tmp_path: Path, module: str, text: str) -> None:
    """In each way that Python has to import."""
    root = house(tmp_path, engine__other="", wire__body="LIMIT = 1")
    root = house(tmp_path, **{module: text})
    assert [found.split(":")[0] for found in broken_arrows(root)] == [module.replace("__", ".")]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("engine__plan", "from fencepost.model.rule import Rule\nimport json, msgspec, xxhash"),
        ("engine__plan", "from fencepost.engine.device import Device\nfrom . import device"),
        ("cli", "from fencepost.engine.plan import Plan\nfrom fencepost.wire import body\nimport typer"),
        ("config__place", "import yaml\nfrom fencepost.model import rule"),
    ],
)
def test_an_allowed_arrow_is_not_found(tmp_path: Path, module: str, text: str) -> None:
    """The table means what it says."""
    assert broken_arrows(house(tmp_path, **{module: text})) == []


@pytest.mark.parametrize(
    "text",
    [
        "import socket",
        "from socket import create_connection",
        "import os",
        "from os import path",
        "import os.path",
        "from pathlib import Path",
        "import logging",
        "def f():\n    import time",
        "from time import monotonic",
        "def f():\n    return open('x')",
        "print('x')",
        "from datetime import datetime\nmoment = datetime.now()",
        "import datetime\nmoment = datetime.datetime.utcnow()",
        "from datetime import date\nday = date.today()",
        "from datetime import datetime\nclock = datetime.now",
    ],
)
def test_an_impurity_is_found(tmp_path: Path, text: str) -> None:
    """In a pure room, and only there."""
    assert len(impurities(house(tmp_path / "pure", engine__plan=text))) == 1
    assert impurities(house(tmp_path / "other", sources__files=text)) == []


@pytest.mark.parametrize("name", sorted(TEXT_CONVERSION))
def test_text_conversion_of_addresses_is_pure(tmp_path: Path, name: str) -> None:
    """It needs the socket module and opens no socket."""
    assert impurities(house(tmp_path, wire__settle=f"from socket import {name}")) == []


@pytest.mark.parametrize(
    "back",
    [
        "from fencepost.engine.plan import Plan",
        "def f():\n    from fencepost.engine import plan",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from fencepost.engine.plan import Plan",
        "from . import plan",
    ],
)
def test_a_cycle_is_found(tmp_path: Path, back: str) -> None:
    """Also over three modules, also where it is hidden."""
    root = house(
        tmp_path,
        engine__plan="from fencepost.engine.ranges import Range",
        engine__ranges="from fencepost.engine.device import Device",
        engine__device=back,
        engine__names="from fencepost.engine.plan import Plan",
    )
    assert cycles(root) == [frozenset({"engine.plan", "engine.ranges", "engine.device"})]


def test_growth_beyond_the_budget_is_found(tmp_path: Path) -> None:
    """A module of 401 lines, and a body of 61 without its docstring."""
    body = "".join(f"    a = {number}\n" for number in range(LONGEST_BODY))
    root = house(
        tmp_path,
        engine__long="a = 1\n" * (MOST_LINES + 1),
        engine__enough=f'def f():\n    """Say."""\n{body}',
        engine__deep=f'def f():\n    """Say."""\n{body}    b = 1\n',
    )
    assert oversized(root) == ["engine/long.py: 401 lines", "engine.deep.f: 61 lines"]


def test_an_unannotated_function_is_found(tmp_path: Path) -> None:
    """Arguments and return; private functions are the type checker's business."""
    root = house(
        tmp_path,
        model__rule="""
        class Rule:
            def fine(self, a: int, *rest: int) -> None: ...
            def wrong(self, a, *rest, b=1): ...
        def _hidden(a): ...
        """,
        sources__files="def f(a): ...",
    )
    assert unannotated(root) == [f"model.rule.wrong: {what}" for what in ("a", "b", "rest", "return")]
