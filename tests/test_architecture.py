"""The shape of the source: arrows, sizes, docstrings, one version."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

import tradercast

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tradercast"
MAX_LINES = 400

# A part may import parts with a smaller number, and itself. Modules directly in the package are
# the words that everything else is written in.
LEVELS = {
    "chunks": 1,
    "exchanges": 1,
    "log": 1,
    "market": 1,
    "swarm": 1,
    "feed": 2,
    "client": 3,
    "pipeline": 3,
    "cli": 4,
    "gateway": 4,
}
# What reads a socket, a disk or a clock; parts that are pure have no use for it.
IO_MODULES = {"aiohttp", "asyncio", "os", "pathlib", "socket", "subprocess", "tempfile", "time"}
PURE = ("chunks", "market")

SOURCES = sorted(PACKAGE.rglob("*.py"))
SOURCES = [path for path in SOURCES if "_sidecar" not in path.parts]


def name(path):
    return str(path.relative_to(ROOT))


def part(module):
    """The part of the package that ``tradercast.x.y`` belongs to, or None for the lowest."""
    first = module.split(".")[1]
    return first if first in LEVELS else None


def imports(path):
    """Every module that a file imports, by its full name, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno} imports relatively"
            for alias in node.names:
                yield f"{node.module}.{alias.name}" if node.module == "tradercast" else node.module


def imported_parts(path):
    for module in imports(path):
        if module.startswith("tradercast."):
            yield part(module)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_arrows_point_down(path):
    own = path.relative_to(PACKAGE).parts[0]
    if own in {"__init__.py", "__main__.py", "aio.py"}:
        return  # the façade: it imports what users are to find, and nothing imports from it
    level = LEVELS.get(own, 0)
    assert own in LEVELS or own.endswith(".py"), f"{own}/ has no place in LEVELS"
    upward = {
        found
        for found in imported_parts(path)
        if found is not None and found != own and LEVELS[found] >= level
    }
    assert not upward, f"{name(path)} imports {sorted(upward)}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_takes_from_the_facade(path):
    if path.parent == PACKAGE and path.stem.startswith("__"):
        return
    tree = ast.parse(path.read_text("utf-8"))
    taken = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "tradercast"
    }
    taken |= {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "tradercast"
        for alias in node.names
        if not (PACKAGE / f"{alias.name}.py").exists() and not (PACKAGE / alias.name).is_dir()
    }
    assert not [attribute for attribute in taken if not attribute.startswith("__")]


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] in PURE], ids=name
)
def test_pure_parts_do_no_io(path):
    assert not IO_MODULES & {module.split(".")[0] for module in imports(path)}
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input"}


def test_only_the_command_line_prints():
    for path in SOURCES:
        if path.relative_to(PACKAGE).parts[0] == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{name(path)}:{node.lineno} prints"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_everything_public_says_what_it_is(path):
    tree = ast.parse(path.read_text("utf-8"))
    silent = [] if ast.get_docstring(tree) else ["the module"]
    silent += [f"{label}, line {node.lineno}" for label, node in undocumented(tree)]
    assert not silent, f"{name(path)} has no docstring for {'; '.join(silent)}"


def undocumented(node, prefix=""):
    for child in node.body:
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if child.name.startswith("_") or is_variant(child):
            continue
        if not ast.get_docstring(child):
            yield prefix + child.name, child
        if isinstance(child, ast.ClassDef) and not is_foreign(child):
            yield from undocumented(child, f"{child.name}.")


def is_variant(node):
    """Setters and overloads are documented where the name is first defined."""
    names = {ast.unparse(decorator).rsplit(".", 1)[-1] for decorator in node.decorator_list}
    return bool(names & {"setter", "deleter", "overload", "override"})


def is_foreign(node):
    """The methods of an `asyncio.Protocol` are documented there."""
    return any(isinstance(base, ast.Attribute) for base in node.bases)


def test_no_file_is_long():
    folders = ("tradercast", "tests", "bench", "examples", "node_bridge")
    long = {
        name(path): lines
        for folder in folders
        for kind in ("*.py", "*.js")
        for path in (ROOT / folder).rglob(kind)
        if not {"node_modules", "_sidecar"} & set(path.parts)
        and (lines := len(path.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert not long


def test_there_is_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    sidecar = json.loads((ROOT / "node_bridge" / "package.json").read_text("utf-8"))
    assert newest is not None
    assert {project["version"], newest[1], sidecar["version"]} == {tradercast.__version__}
