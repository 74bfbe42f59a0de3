"""The comments of the .proto files: what a message and a field is for, in a sentence each."""

import re
from pathlib import Path

PROTOS = Path(__file__).parents[1] / "protos"

_BLOCK = re.compile(r"\s*(message|enum|oneof) (\w+) \{")
_FIELD = re.compile(r"\s*(?:optional |repeated )?(?:map<[^>]*>|[\w.]+) (\w+) = \d+")


def read_comments(folder: Path = PROTOS) -> dict[str, str]:
    """Sentences by the names `Message`, `Message.Nested` and `Message.field`, which are unique in the schema.

    A comment belongs to the field or message in the line after it; a line of code between them ends it.
    """
    comments: dict[str, str] = {}
    for path in sorted(folder.glob("*.proto")):
        comments |= _of_file(path.read_text("utf-8").splitlines())
    return comments


def _of_file(lines: list[str]) -> dict[str, str]:
    comments: dict[str, str] = {}
    scope: list[str | None] = []  # names of messages; None for an enum or a oneof, which names nothing in between
    said: list[str] = []
    for line in lines:
        code = line.strip()
        if code.startswith("//"):
            said.append(code.removeprefix("//").strip())
            continue
        block, field = _BLOCK.match(line), _FIELD.match(line)
        inside = [name for name in scope if name]
        if block:
            is_message = block[1] == "message"
            if is_message and said:
                comments[".".join([*inside, block[2]])] = " ".join(said)
            scope.append(block[2] if is_message else None)
            if code.endswith("}"):
                scope.pop()
        elif field and said:
            comments[".".join([*inside, field[1]])] = " ".join(said)
        elif code == "}":
            scope.pop()
        said = []
    return comments
