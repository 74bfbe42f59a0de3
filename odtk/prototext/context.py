"""The context of a parse error: which blocks are open there, and which brace is probably wrong."""

from dataclasses import dataclass, field

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from odtk.prototext.syntax import OPENING, Token, column_of, line_of, tokenize


@dataclass
class Block:
    """A `name {` and the fields seen in it: `start` and `brace` are offsets, `seen` maps field name to offset."""

    name: str
    start: int
    brace: str
    descriptor: Descriptor | None
    seen: dict[str, int] = field(default_factory=dict)
    closed_at: int | None = None
    last_closed: "Block | None" = None

    def field(self, name: str) -> FieldDescriptor | None:
        """The field of this block's message that has this name."""
        return self.descriptor.fields_by_name.get(name) if self.descriptor else None


@dataclass
class Context:
    """The open blocks at an offset, outermost (the root) first, and the field whose value is expected, if any."""

    blocks: list[Block]
    pending: Token | None

    @property
    def block(self) -> Block:
        """The innermost open block."""
        return self.blocks[-1]

    @property
    def field(self) -> FieldDescriptor | None:
        """The descriptor of the field whose value is expected."""
        return self.block.field(self.pending.text) if self.pending else None


def context_at(text: str, offset: int, root: Descriptor) -> Context:
    """The context of `offset`, which must be the start of a token or the end of the text."""
    blocks, pending, in_list, previous = [Block("", 0, "", root)], None, False, ""
    for token in tokenize(text, end=offset):
        block = blocks[-1]
        if token.text in OPENING and token.kind == "symbol":
            name = pending or Token("name", "", token.start, token.start)
            child = block.field(name.text)
            blocks.append(Block(name.text, name.start, token.text, child.message_type if child else None))
            pending, in_list = None, False
        elif token.text in OPENING.values() and len(blocks) > 1:
            closed = blocks.pop()
            closed.closed_at, blocks[-1].last_closed, pending = token.start, closed, None
        elif token.text == "[" and previous == ":":
            in_list = True
        elif token.text == "]":
            in_list, pending = False, None
        elif token.kind == "name" and previous != ":" and not in_list:
            pending = token
            block.seen.setdefault(token.text, token.start)
        elif token.text != ":" and not in_list:
            pending = None
        previous = token.text
    return Context(blocks, pending)


def unclosed_block(text: str, context: Context) -> Block:
    """The open block whose closing brace is probably missing: the first one that contradicts the indentation."""
    suspect = _first_contradiction(text, lambda closing, opening: closing < opening)
    return suspect[0] if suspect else context.block


def extra_brace(text: str) -> tuple[Block, int] | None:
    """The block that an extra brace has probably closed, and the brace's offset, judging by the indentation."""
    return _first_contradiction(text, lambda closing, opening: closing > opening)


def _first_contradiction(text: str, contradicts) -> tuple[Block, int] | None:
    """The first brace at the start of a line that is indented differently from the line of the block it closes."""
    blocks, name = [], None
    for token in tokenize(text):
        if token.kind == "name":
            name = token
        elif token.text in OPENING and token.kind == "symbol" and name:
            blocks.append(Block(name.text, name.start, token.text, None))
        elif token.text in OPENING.values() and blocks:
            block = blocks.pop()
            if _is_first_on_line(text, token.start) and contradicts(
                column_of(text, token.start), _indentation(text, block.start) + 1
            ):
                return block, token.start
    return None


def _indentation(text: str, offset: int) -> int:
    line = text[text.rfind("\n", 0, offset) + 1 :].split("\n", 1)[0]
    return len(line) - len(line.lstrip())


def _is_first_on_line(text: str, offset: int) -> bool:
    return column_of(text, offset) == _indentation(text, offset) + 1


def describe(text: str, block: Block) -> str:
    """A block for an error text: "image_resizer {" in line 4."""
    return f'"{block.name} {block.brace}" in line {line_of(text, block.start)}'
