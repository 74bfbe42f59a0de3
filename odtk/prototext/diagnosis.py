"""From text_format's ParseError to a helpful message: position, offending line, likely cause."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from odtk.prototext import schema
from odtk.prototext.context import Block, Context, context_at, describe, extra_brace, unclosed_block
from odtk.prototext.syntax import OPENING, column_of, line_of, line_span, offset_of, tokenize

CURLY_QUOTES = "“”„‟‘’‚‛«»″′"
_SHOWN_COLUMNS = 110
_LONGEST_SHOWN = 100
_LONGEST_LINE = 2000  # characters that the rules search; some take quadratic time


@dataclass(frozen=True)
class Broken:
    """A text that text_format refused: its complaint, the position, the token there, and the open blocks around it."""

    text: str
    complaint: str
    offset: int
    token: str
    context: Context
    root: Descriptor

    @property
    def line(self) -> str:
        """The code of the offending line, without its comment; of a long line, the part around the position."""
        start, end = line_span(self.text, self.offset)
        half = _LONGEST_LINE // 2
        line = self.text[max(start, self.offset - half) : min(end, self.offset + half)]
        return re.sub(r'("(?:[^"\\]|\\.)*")|#.*', lambda match: match.group(1) or "", line).strip()


def diagnose(text: str, error: text_format.ParseError, root: Descriptor, filename: str) -> str:
    """The whole error text: `FILE:LINE:COLUMN: cause`, then the offending line and a caret under the column."""
    broken = _broken(text, error, root)
    for rule in _RULES:
        found = rule(broken)
        if found:
            cause, offset = found if isinstance(found, tuple) else (found, broken.offset)
            return at(text, offset, filename, cause)
    return at(text, broken.offset, filename, _cut(broken.complaint))


def at(text: str, offset: int, filename: str, cause: str) -> str:
    """An error text about a position: `FILE:LINE:COLUMN: cause`, the line and a caret."""
    line, column = line_of(text, offset), column_of(text, offset)
    shown = text[slice(*line_span(text, offset))].rstrip("\r")
    first = max(0, column - _SHOWN_COLUMNS // 2) if len(shown) > _SHOWN_COLUMNS else 0
    shown = shown[first : first + _SHOWN_COLUMNS]
    blank = re.sub(r"[^\t]", " ", shown[: column - 1 - first])
    return f"{filename}:{line}:{column}: {cause}\n  {shown}\n  {blank}^"


def _broken(text: str, error: text_format.ParseError, root: Descriptor) -> Broken:
    offset = offset_of(text, max(error.GetLine() or 1, 1), max(error.GetColumn() or 1, 1))
    complaint = re.sub(r"^(?:\d+:\d+ : )?(?:'.*': )?", "", str(error), count=1, flags=re.DOTALL)
    token = next((token.text for token in tokenize(text, offset)), "")
    return Broken(text, complaint, offset, _cut(token), context_at(text, offset, root), root)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + " ..."


def _web_page(broken: Broken) -> str | None:
    if re.match(r"\s*<(!doctype|html)", broken.text, re.IGNORECASE):
        return "this is a web page, not the file itself. On GitHub, use the Raw button and save the page it opens."
    return None


def _json(broken: Broken) -> str | None:
    if broken.text.lstrip().startswith(("{", "[")):
        return (
            "this looks like JSON. The format here is protobuf text format: name: value, and name { ... } for blocks."
        )
    return None


def _odd_character(broken: Broken) -> tuple[str, int] | None:
    """Curly quotes and invisible characters, put there by an editor or a web page."""
    start, end = line_span(broken.text, broken.offset)
    start, end = max(start, broken.offset - _LONGEST_LINE), min(end, broken.offset + _LONGEST_LINE)
    in_string = "missing ending quote" in broken.complaint or _unknown_field(broken)
    for token in tokenize(broken.text, start, end):
        for position, char in enumerate(token.text):
            if char in CURLY_QUOTES and (token.kind == "symbol" or in_string):
                return f'{char} is a curly quote; strings need straight quotes: ".', token.start + position
            if not char.isprintable() and token.kind == "symbol":
                cause = f"there is an invisible character (U+{ord(char):04X}) here; delete it, or retype the line."
                return cause, token.start + position
    return None


def _url(broken: Broken) -> str | None:
    url = re.search(r"\w+://\S+", re.sub(r'"[^"]*"|\'[^\']*\'', "", broken.line))
    if not url:
        return None
    field = broken.context.field
    if field is not None and schema.is_string(field):
        return f'a URL or path must be in double quotes: {field.name}: "{url.group()}".'
    return f"the URL {url.group()} is not part of a field; delete it, or put # before it to make it a comment."


def _slash_comment(broken: Broken) -> str | None:
    if broken.token == "/" and broken.text.startswith(("//", "/*"), broken.offset):
        return "comments start with #, not with // or /*."
    return None


def _other_file(broken: Broken) -> str | None:
    name, blocks = _unknown_field(broken), broken.context.blocks
    if name == "item" and len(blocks) == 1 and not broken.root.fields_by_name.get("item"):
        return "this looks like a label map, not a pipeline config."
    if name in ("model", "train_config", "train_input_reader") and broken.root.name == "StringIntLabelMap":
        return "this looks like a pipeline config, not a label map."
    return None


def _digits(broken: Broken) -> str | None:
    name = _unknown_field(broken)
    if name and name[0].isdigit():
        return f"a field name is expected here, not {name}. Numbers have no spaces and no thousands separators."
    return None


def _misplaced_field(broken: Broken) -> str | None:
    """An unknown field that an enclosing or a just closed block has: a brace is missing or there is one too many."""
    name, context = _unknown_field(broken), broken.context
    if not name:
        return None
    if any(block.field(name) for block in context.blocks[:-1]):
        suspect = unclosed_block(broken.text[: broken.offset], context)
        return (
            f"{name} is not a field of {_kind(context.block)}, but of a block around it: a closing brace is missing "
            f"above, probably that of {describe(broken.text, suspect)}."
        )
    closed = context.block.last_closed
    while closed and not closed.field(name):
        closed = closed.last_closed
    if closed and (len(context.blocks) == 1 or not schema.nearest(name, _names(context.block))):
        suspect, brace = extra_brace(broken.text[: broken.offset]) or (closed, closed.closed_at or 0)
        return (
            f"{name} is a field of {closed.name}, which is already closed here: the {broken.text[brace]} in line "
            f"{line_of(broken.text, brace)} is probably one too many (it closes {describe(broken.text, suspect)})."
        )
    return None


def _unknown(broken: Broken) -> str | None:
    name, block = _unknown_field(broken), broken.context.block
    if not name or not block.descriptor:
        return None
    prefix = f"{block.name}." if block.name else ""
    below = [prefix + place for place in schema.places_of(name, block.descriptor)]
    places = below or schema.places_of(name, broken.root)
    return f"{_kind(block)} has no field {name}. {schema.suggestion(name, block.descriptor, places)}"


def _closing_brace(broken: Broken) -> str | None:
    blocks, token = broken.context.blocks, broken.token
    if token not in OPENING.values() or (broken.context.pending and broken.context.field):
        return None
    if len(blocks) > 1:
        return f"{describe(broken.text, blocks[-1])} must be closed by {OPENING[blocks[-1].brace]}, not by {token}."
    suspect, brace = extra_brace(broken.text[: broken.offset + 1]) or (None, broken.offset)
    where = f"; the one in line {line_of(broken.text, brace)} is probably one too many" if suspect else ""
    return f"a closing {token} without an opening one: all blocks are already closed{where}."


def _never_closed(broken: Broken) -> tuple[str, int] | None:
    if not re.match(r'Expected "[}>]"', broken.complaint):
        return None
    context = context_at(broken.text, len(broken.text), broken.root)
    suspect = unclosed_block(broken.text, context)
    cause = f"the file ends but a closing brace is missing: probably that of {describe(broken.text, suspect)}."
    return cause, suspect.start


def _colon(broken: Broken) -> str | None:
    field = broken.context.field
    if not field or not broken.complaint.startswith('Expected ":"'):
        return None
    if broken.token in OPENING:
        return f"{field.name} takes {schema.expectation(field)}, not a block: {field.name}: VALUE."
    found = f", not {broken.token}" if broken.token == "=" else ""
    return f"{field.name} must be followed by a colon{found}: {field.name}: VALUE."


def _comma(broken: Broken) -> str | None:
    if broken.complaint.startswith('Expected ","'):
        return f'a comma or the closing ] of the list is expected here, not "{broken.token}".'
    return None


def _extension(broken: Broken) -> str | None:
    match = re.match(r'Extension "([^"]+)" not registered', broken.complaint)
    return f"the extension [{match.group(1)}] is unknown to odtk. Delete it." if match else None


def _backslash(broken: Broken) -> str | None:
    if broken.token[:1] in ("'", '"') and "\\" in broken.token:
        return 'a backslash starts an escape in a string. Write paths with /, or double each backslash: "C:/data/x".'
    return None


def _unclosed_string(broken: Broken) -> str | None:
    if "missing ending quote" in broken.complaint:
        return f"the string is not closed on its line; put a {broken.token[0]} at its end."
    return None


def _wrong_value(broken: Broken) -> str | tuple[str, int] | None:
    field, pending = broken.context.field, broken.context.pending
    if not field or not pending:
        return None
    takes = f"{field.name} takes {schema.expectation(field)}"
    if broken.token == "[" and not schema.is_repeated(field):
        return f"{takes}; it is not a list."
    if broken.token == "" or broken.token in OPENING.values():
        return f"{takes}; the value is missing.", pending.start
    if broken.context.block.field(broken.token) and "\n" in broken.text[pending.end : broken.offset]:
        return f"{takes}; the value is missing.", pending.start
    return takes + _instead(broken, field)


def _instead(broken: Broken, field: FieldDescriptor) -> str:
    value = _cut(re.sub(rf"^.*?\b{field.name}\s*:?\s*", "", broken.line))
    if schema.is_string(field):
        return f': {field.name}: "{value}".'.replace("\\", "/") if value else "."
    bare = broken.token.strip("'\"")
    if bare != broken.token and schema.accepts(field, bare):
        return f", without quotes: {field.name}: {bare}."
    close = schema.nearest(bare, schema.enum_names(field))
    return f", not {broken.token}." + (f" Did you mean {' or '.join(close)}?" if close else "")


def _set_twice(broken: Broken) -> str | None:
    match = re.search(r'should not have multiple "([\w.]+)" (?:fields|extensions)', broken.complaint)
    if not match:
        return None
    first = broken.context.block.seen.get(match.group(1))
    where = f" (first in line {line_of(broken.text, first)})" if first is not None else ""
    fix = "Delete one of the two"
    if element := _list_element(broken):
        fix += f", or put each in its own block: {element} {{ ... }} {element} {{ ... }}"
    return f"{match.group(1)} is set twice{where}, but takes one value. {fix}."


def _one_of(broken: Broken) -> str | None:
    match = re.search(r'Field "(\w+)" is specified along with field "(\w+)", another member of oneof', broken.complaint)
    if not match:
        return None
    first = broken.context.block.seen.get(match.group(2))
    where = f" (line {line_of(broken.text, first)})" if first is not None else ""
    if element := _list_element(broken):
        blocks = " ".join(f"{element} {{ {name} {{ ... }} }}" for name in reversed(match.groups()))
        return (
            f"{match.group(1)} is in the same {element} block as {match.group(2)}{where}; each block takes only one, "
            f"but there may be several blocks. Put each in its own: {blocks}."
        )
    return f"{match.group(1)} and {match.group(2)}{where} exclude each other. Delete one of the two."


def _list_element(broken: Broken) -> str | None:
    """The name of the innermost open block if it is an element of a list, so that another one may follow."""
    *_, parent, block = [None, *broken.context.blocks]
    field = parent.field(block.name) if parent else None
    return block.name if field and schema.is_repeated(field) and not schema.is_map(field) else None


def _field_name(broken: Broken) -> str | None:
    if not broken.complaint.startswith("Expected identifier"):
        return None
    if broken.token[:1] in ("'", '"'):
        return f"a field name without quotes is expected, or a string was cut in two: {broken.token}."
    return f'a field name is expected here, not "{broken.token}".'


def _unknown_field(broken: Broken) -> str | None:
    match = re.search(r'has no field named "([^"]+)"', broken.complaint)
    return _cut(match.group(1)) if match else None


def _names(block: Block) -> list[str]:
    return schema.field_names(block.descriptor) if block.descriptor else []


def _kind(block: Block) -> str:
    return block.name or "the top level of the file"


# The first rule with an answer is used.
_RULES: list[Callable[[Broken], str | tuple[str, int] | None]] = [
    _web_page,
    _json,
    _odd_character,
    _other_file,
    _url,
    _slash_comment,
    _digits,
    _misplaced_field,
    _unknown,
    _never_closed,
    _closing_brace,
    _set_twice,
    _one_of,
    _colon,
    _comma,
    _extension,
    _backslash,
    _unclosed_string,
    _wrong_value,
    _field_name,
]
