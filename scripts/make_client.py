"""Writes the synchronous client from the asynchronous one.

``python scripts/make_client.py`` writes it, with ``--check`` it only says whether it is current.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "tradercast" / "client"
PARTS = (
    ("api.py", "client.py"),
    ("api_books.py", "client_books.py"),
    ("api_streams.py", "client_streams.py"),
)
NAMES = {"AsyncClient": "Client", "AsyncBookQueries": "BookQueries", "AsyncStreams": "Streams"}
MODULES = {"BookQueries": "client_books", "Streams": "client_streams"}
HEAD = '''"""The synchronous Python client; made from `{source}` by ``scripts/make_client.py``."""
'''
HELD = """
    _portal: Portal
    _client: {name}
"""
OPEN = """
        self._client: AsyncClient = AsyncClient({arguments})
        self._portal = Portal()

    def __enter__(self) -> Self:
        self._portal.open()
        try:
            self._portal.call(self._client.__aenter__())
        except BaseException:
            self._portal.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._portal.call(self._client.__aexit__(kind, error, trace))
        finally:
            self._portal.close()
"""


def made(source_path: Path) -> str:
    """The text of a part of the synchronous client."""
    tree = ast.parse(source_path.read_text())
    source = next(n for n in tree.body if isinstance(n, ast.ClassDef))
    imports = [ast.unparse(n) for n in tree.body if isinstance(n, ast.ImportFrom | ast.Import)]
    imports += [
        "from collections.abc import Iterator",
        f"from tradercast.client.{source_path.stem} import {source.name}",
        "from tradercast.client.portal import Portal",
        "from tradercast.market.replay_events import events",
        "from tradercast.market.replay_merge import in_turn",
    ]
    bases = ", ".join(NAMES[ast.unparse(base)] for base in source.bases)
    if bases:
        imports.append(f"from tradercast.client.{MODULES[bases]} import {bases}")
    name = NAMES[source.name] + (f"({bases})" if bases else "")
    parts = [HEAD.format(source=source_path.name), *imports, f"\n\nclass {name}:"]
    parts.append(_docstring(source, 4))
    if source.name != "AsyncClient":
        parts.append(HELD.format(name=source.name))
    for item in source.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            parts.append(_signature(item))
            parts.append(OPEN.replace("{arguments}", _arguments(item)).lstrip("\n"))
        elif isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            parts += [*(f"    @{ast.unparse(d)}" for d in item.decorator_list), _signature(item)]
            is_only_typed = bool(item.decorator_list)
            parts += ["        ..."] if is_only_typed else [_docstring(item, 8), _unrolled(item)]
        elif isinstance(item, ast.AsyncFunctionDef) and not item.name.startswith("_"):
            parts += [_signature(item), _docstring(item, 8), _body(item), ""]
    return "\n".join(parts) + "\n"


def _docstring(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, indent: int) -> str:
    text = ast.get_docstring(node, clean=False) or ""
    return f'{" " * indent}"""{text}"""'


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    returns = ast.unparse(node.returns) if node.returns else "None"
    returns = returns.replace("AsyncIterator", "Iterator")
    return f"    def {node.name}({ast.unparse(node.args)}) -> {returns}:"


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef, **fixed: str) -> str:
    plain = [a.arg for a in node.args.args if a.arg != "self"]
    named = [f"{a.arg}={fixed.get(a.arg, a.arg)}" for a in node.args.kwonlyargs]
    return ", ".join(plain + named)


def _body(node: ast.AsyncFunctionDef) -> str:
    streams = any(isinstance(each, ast.Yield) for each in ast.walk(node))
    verb = "iterate" if streams else "call"
    return f"        return self._portal.{verb}(self._client.{node.name}({_arguments(node)}))"


def _unrolled(node: ast.FunctionDef) -> str:
    """Whole batches change threads, and are made events on this side."""
    call = f"self._client.{node.name}({_arguments(node, batches='True')})"
    return f"""        made = self._portal.iterate({call})
        return in_turn(made) if batches else events(made)
"""


def formatted(text: str, target: Path) -> str:
    """As ruff leaves it: sorted imports without the unused, formatted."""
    import subprocess

    for command in (["check", "--quiet", "--fix", "--select", "F401,I", "-"], ["format", "-"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(target)]
        text = subprocess.run(ruff, input=text, text=True, capture_output=True, check=True).stdout
    return text


if __name__ == "__main__":
    for source, name in PARTS:
        target = PACKAGE / name
        text = formatted(made(PACKAGE / source), target)
        if "--check" not in sys.argv:
            target.write_text(text)
        elif not target.is_file() or target.read_text() != text:
            sys.exit(f"{target} is not what {__file__} makes")
