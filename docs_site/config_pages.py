"""The pages of docs/config: one table for each message of a pipeline.config, from the schema and the families."""

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.descriptor import FieldDescriptor

from docs_site.config_tables import (
    HONORED,
    KINDS,
    NAMES,
    NO_EFFECT,
    PACKAGE,
    REFUSED,
    Message,
    Verdict,
    known_messages,
    unknown_messages,
    value_type,
)
from odtk.detectors import families
from odtk.pipeline.support import NOT_IMPLEMENTED
from odtk.prototext.comments import read_comments

ACCEPT = "ODTK_ACCEPT=1 .venv/bin/python -m pytest tests/test_config_pages.py"

MADE = f"""Made from the schema (`odtk/protos`, whose comments say what a field is for) and from the tables by which
`odtk configure --check` judges a config, by `{ACCEPT}`: change
those, not this page."""

INDEX = f"""# Config reference

{MADE}

Every field of a `pipeline.config` that odtk reads, with its type, its default, what it does, and which detectors honor
it. The words in the last column:

- **honored**: odtk does what TFOD does with it.
- **no effect**: TFOD 2 ignores it, and so does odtk; `odtk configure CONFIG --check` lists those that are set.
- **refused**: a config that sets it to anything but its default is an error that names the field, before anything is
  computed. odtk never ignores an option that would change the numbers.

| page | what it has |
| --- | --- |
"""

PAGES = {
    "training": ("Training", "`train_config`: batch, steps, optimizer, learning rate"),
    "augmentation": ("Augmentation", "`train_config.data_augmentation_options`"),
    "data": ("Records and evaluation", "`train_input_reader`, `eval_input_reader`, `eval_config`"),
    "ssd": ("SSD, EfficientDet", "`model.ssd`"),
    "faster_rcnn": ("Faster R-CNN", "`model.faster_rcnn`"),
    "center_net": ("CenterNet", "`model.center_net`"),
    "parts": ("Parts of models", "what several kinds of models have: resizer, heads, anchors, post-processing, losses"),
}
"""The pages beside the index, by file name."""

_TYPES = {
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_DOUBLE: "float",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
    FieldDescriptor.CPPTYPE_STRING: "string",
}
_MOST_PATHS = 4


def config_pages() -> dict[str, str]:
    """The text of each page, by its file name in docs/config."""
    known, comments = known_messages(), read_comments()
    pages = {"index.md": _index(known)}
    for page, (title, _) in PAGES.items():
        sections = [_section(known[name], known, comments) for name in known if page_of(known[name]) == page]
        pages[f"{page}.md"] = f"# {title}\n\n{MADE} [Overview](index.md)\n\n" + "\n".join(sections)
    return pages


def page_of(message: Message) -> str:
    """The page that a message is on."""
    if message.readers != [""]:
        return message.kinds[0] if len(message.kinds) == 1 else "parts"
    path = message.paths[0]
    if path.startswith("train_config.data_augmentation_options"):
        return "augmentation"
    return "data" if path.startswith(("eval", "train_input")) else "training"


def _index(known: Mapping[str, Message]) -> str:
    rows = "".join(f"| [{title}]({page}.md) | {what} |\n" for page, (title, what) in PAGES.items())
    pairs = zip(families.MODULES, families.families(), strict=True)
    names = [f"| {NAMES[module]} | {_types(family.types)} |" for module, family in pairs]
    lacking = ", ".join(f"`{name}`" for name in unknown_messages(known))
    return "\n".join(
        [
            f"{INDEX}{rows}",
            "## Families",
            "",
            "The table of a part of `model` names these where they differ:",
            "",
            "| family | `feature_extractor.type` |",
            "| --- | --- |",
            *names,
            "",
            "## What no config can set",
            "",
            f"Messages of TFOD's schema whose fields odtk refuses: {lacking}.",
            "",
        ]
    )


def _types(types: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in types)


def _section(message: Message, known: Mapping[str, Message], comments: Mapping[str, str]) -> str:
    lines = [f"## {message.name}", "", comments[message.name], ""]
    paths = [f"`{path}`" for path in message.paths if path]
    if paths:
        more = f" and {len(paths) - _MOST_PATHS} more places" if len(paths) > _MOST_PATHS else ""
        lines += [f"At {', '.join(paths[:_MOST_PATHS])}{more}.", ""]
    if message.readers != [""] and len(message.readers) < len(NAMES):
        lines += [f"Families: {_together(message.readers, message)}.", ""]
    lines += list(_one_ofs(message))
    listed, lacking = [], []
    for spec in message.descriptor.fields:
        of_field = message.verdicts.get(spec.name, {})
        is_lacking = set(of_field.values()) == {Verdict(REFUSED, NOT_IMPLEMENTED)}
        (lacking if is_lacking else listed).append(spec)
    if listed:
        lines += ["| field | type | default | what it does | in odtk |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(spec, message, known, comments) for spec in listed]
        lines.append("")
    elif not lacking:
        lines += ["It has no fields.", ""]
    if lacking:
        lines += [f"Refused, as odtk does not implement it: {', '.join(f'`{spec.name}`' for spec in lacking)}.", ""]
    return "\n".join(lines)


def _one_ofs(message: Message) -> Iterator[str]:
    for group in message.descriptor.oneofs:
        names = ", ".join(f"`{spec.name}`" for spec in group.fields)
        yield f"Only one of {names} may be set."
        yield ""


def _row(spec: FieldDescriptor, message: Message, known: Mapping[str, Message], comments: Mapping[str, str]) -> str:
    of_field = message.verdicts[spec.name]
    said = comments.get(f"{message.name}.{spec.name}", "")
    cells = (f"`{spec.name}`", _type(spec, message, known), _default(spec), said, _verdicts(of_field, message))
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _type(spec: FieldDescriptor, message: Message, known: Mapping[str, Message]) -> str:
    below = value_type(spec)
    if spec.message_type is not None and spec.message_type.GetOptions().map_entry:
        key = _plain_type(spec.message_type.fields_by_name["key"])
        value = _link(below, message, known) if below else _plain_type(spec.message_type.fields_by_name["value"])
        return f"map from {key} to {value}"
    name = _link(below, message, known) if below else _plain_type(spec)
    return f"list of {name}" if is_list(spec) else name


def _plain_type(spec: FieldDescriptor) -> str:
    if spec.enum_type is not None:
        return ", ".join(f"`{value.name}`" for value in spec.enum_type.values)
    return _TYPES.get(spec.cpp_type, "int")


def _link(below, message: Message, known: Mapping[str, Message]) -> str:
    name = below.full_name.removeprefix(PACKAGE)
    if name not in known:
        return name
    page = page_of(known[name])
    here = "" if page == page_of(message) else f"{page}.md"
    return f"[{name}]({here}#{anchor(name)})"


def anchor(heading: str) -> str:
    """The anchor of a heading without formatting, as GitHub and Zensical make it."""
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def is_list(spec: FieldDescriptor) -> bool:
    """Whether a field is repeated; newer versions of protobuf have a property for it."""
    return spec.is_repeated if hasattr(spec, "is_repeated") else spec.label == spec.LABEL_REPEATED


def _default(spec: FieldDescriptor) -> str:
    if spec.message_type is not None or is_list(spec):
        return ""
    if spec.enum_type is not None:
        return f"`{spec.enum_type.values_by_number[spec.default_value].name}`"
    if isinstance(spec.default_value, bool):
        return f"`{str(spec.default_value).lower()}`"
    if isinstance(spec.default_value, str):
        return f'`"{spec.default_value}"`' if spec.default_value else "empty"
    return f"`{spec.default_value:.7g}`" if isinstance(spec.default_value, float) else f"`{spec.default_value}`"


def _verdicts(of_field: Mapping[str, Verdict], message: Message) -> str:
    """ "honored", or each verdict with the families that it is of."""
    groups: dict[Verdict, list[str]] = {}
    for reader, verdict in of_field.items():
        groups.setdefault(verdict, []).append(reader)
    said = []
    for what in (HONORED, NO_EFFECT, REFUSED):
        for verdict in (each for each in groups if each.what == what):
            why = f", as {verdict.why}" if verdict.why else ""
            who = "" if len(groups) == 1 else f" ({_together(groups[verdict], message)})"
            said.append(f"{what}{who}{why}")
    return "; ".join(said)


def _together(readers: Sequence[str], message: Message) -> str:
    """Families by name, all of one kind by the name of the kind."""
    of_kind: dict[str, list[str]] = {}
    for module, family in zip(families.MODULES, families.families(), strict=True):
        of_kind.setdefault(family.kind, []).append(NAMES[module])
    said: list[str] = []
    for kind, names in of_kind.items():
        here = [name for name in names if name in readers]
        possible = [name for name in names if name in message.readers]
        said += [KINDS[kind]] if here == possible and len(here) > 1 else here
    return ", ".join(said)
