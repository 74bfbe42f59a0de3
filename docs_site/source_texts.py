"""The texts in odtk's source: what messages are made of, to hold quotations of them to it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "odtk"
GAP = "\0"
"""What stands in a text for a value that is known only when odtk runs."""


def source_texts(package: Path = PACKAGE) -> list[str]:
    """Every string of the source that is no docstring: those with values in them (f-strings) have GAPs there."""
    texts: list[str] = []
    for path in sorted(package.rglob("*.py")):
        if not path.stem.endswith("_pb2"):
            texts += _texts(ast.parse(path.read_text("utf-8")))
    return texts


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
            yield "".join(str(part) for part in parts)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield _sum(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _sum(node: ast.expr) -> str:
    """The text of strings that are added to each other; GAP for what is no string."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _sum(node.left) + _sum(node.right)
    return next(_texts(node), GAP) if isinstance(node, ast.JoinedStr | ast.Constant) else GAP


def quotation(text: str) -> re.Pattern[str]:
    """A pattern for the texts that a quotation may be of; `...` in it stands for anything."""
    parts = [" ".join(part.split()) for part in text.split("...")]
    return re.compile(".*".join(re.escape(part) for part in parts if part), re.DOTALL)
