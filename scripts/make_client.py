"""Writes `tradercast/client/client.py`, the synchronous client, from the asynchronous one.

``python scripts/make_client.py`` writes it, with ``--check`` it only says whether it is current.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "tradercast" / "client"
SOURCE, TARGET = PACKAGE / "api.py", PACKAGE / "client.py"
HEAD = '''"""The synchronous Python client; made from `api.py` by ``scripts/make_client.py``."""
'''
OPEN = """
        self._client = AsyncClient({arguments})
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


def made() -> str:
    """The text of the synchronous client."""
    tree = ast.parse(SOURCE.read_text())
    imports = [ast.unparse(n) for n in tree.body if isinstance(n, ast.ImportFrom | ast.Import)]
    imports += [
        "from collections.abc import Iterator",
        "from tradercast.client.api import AsyncClient",
        "from tradercast.client.portal import Portal",
    ]
    source = next(n for n in tree.body if isinstance(n, ast.ClassDef))
    parts = [HEAD, *imports, "\n\nclass Client:", _docstring(source, 4)]
    for item in source.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            parts.append(_signature(item, "def"))
            parts.append(OPEN.replace("{arguments}", _arguments(item)).lstrip("\n"))
        elif isinstance(item, ast.AsyncFunctionDef) and not item.name.startswith("_"):
            parts += [_signature(item, "def"), _docstring(item, 8), _body(item), ""]
    return "\n".join(parts) + "\n"


def _docstring(node: ast.ClassDef | ast.AsyncFunctionDef, indent: int) -> str:
    text = ast.get_docstring(node, clean=False) or ""
    return f'{" " * indent}"""{text}"""'


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, keyword: str) -> str:
    returns = ast.unparse(node.returns) if node.returns else "None"
    returns = returns.replace("AsyncIterator", "Iterator")
    return f"    {keyword} {node.name}({ast.unparse(node.args)}) -> {returns}:"


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    plain = [a.arg for a in node.args.args if a.arg != "self"]
    named = [f"{a.arg}={a.arg}" for a in node.args.kwonlyargs]
    return ", ".join(plain + named)


def _body(node: ast.AsyncFunctionDef) -> str:
    streams = any(isinstance(each, ast.Yield) for each in ast.walk(node))
    verb = "iterate" if streams else "call"
    return f"        return self._portal.{verb}(self._client.{node.name}({_arguments(node)}))"


def formatted(text: str) -> str:
    """As ruff leaves it: sorted imports without the unused, formatted."""
    import subprocess

    for command in (["check", "--quiet", "--fix", "--select", "F401,I", "-"], ["format", "-"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET)]
        text = subprocess.run(ruff, input=text, text=True, capture_output=True, check=True).stdout
    return text


if __name__ == "__main__":
    text = formatted(made())
    if "--check" in sys.argv:
        sys.exit(0 if TARGET.read_text() == text else f"{TARGET} is not what {__file__} makes")
    TARGET.write_text(text)
