"""Reads a project file: one section for each stage, named as its command, whose keys are the command's options."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from odtk import files
from odtk.errors import ProjectError
from odtk.prototext.schema import nearest
from odtk.tools.run.keys import DEVICES, FILLED_IN, MADE, NEEDED, OPTIONAL, SECTIONS
from odtk.tools.run.kinds import NotOfKind

OUTPUT = "output"
"""The key of the folder for all that the stages write."""

_HELP = "docs/run.md of odtk and `odtk run --help` show such a file."


@dataclass(frozen=True)
class Stage:
    """What a project file says of one stage, in the file's own terms; values that it leaves out are filled in."""

    name: str
    values: Mapping[str, Any]
    """Key to value (see odtk.tools.run.kinds); paths are relative to the file's folder."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Key to line, of those that stand in the file."""
    line: int = 0
    """Of its section."""

    def arguments(self, folder: str) -> dict[str, Any]:
        """The keyword arguments of the tool; paths as they are from the current folder."""
        kinds = SECTIONS[self.name].keys
        return {key.replace("-", "_"): kinds[key].kind.resolved(value, folder) for key, value in self.values.items()}

    def command(self, folder: str, overwrite: bool = False) -> str:
        """The command that does the same, to be pasted into a shell."""
        section, words, rest = SECTIONS[self.name], ["odtk", self.name], []
        for key in section.arguments:
            if key in self.values:
                value = section.keys[key].kind.resolved(self.values[key], folder)
                found = list(map(str, value)) if isinstance(value, list) else [str(value)]
                # What comes last belongs to another program, and its words may look like options.
                if key == "runner-options":
                    rest = ["--", *found]
                else:
                    words += found
        for key, value in self.values.items():
            if key not in section.arguments and value != section.keys[key].default:
                kind = section.keys[key].kind
                words += kind.words(f"--{key}", kind.resolved(value, folder))
        return shlex.join([*words, *["--overwrite"] * overwrite, *rest])


@dataclass(frozen=True)
class Project:
    """A project file that has been read and understood."""

    path: str
    output: str
    """The folder for what stages write, as it is from the current folder."""
    stages: Mapping[str, Stage]
    """By name, in the order in which they run."""

    @property
    def folder(self) -> str:
        """The file's folder, to which its paths are relative; "" is the current one."""
        return os.path.dirname(self.path)

    def where(self, stage: str, key: str | None = None) -> str:
        """`pets.yaml:7`: the line of a key, or of the section that it could stand in."""
        found = self.stages[stage]
        return f"{self.path}:{found.lines.get(key or '', found.line)}"


def read(path: str | os.PathLike) -> Project:
    """Reads and checks a project file; raises ProjectError that names file and line."""
    path = os.fspath(path)
    return parse(_read_text(path), path)


def parse(text: str, path: str) -> Project:
    """The project that `text` describes, as if it were the file `path`."""
    root = _compose(text, path)
    _require_plain(root, path, set())
    sections, output = _read_sections(root, path)
    folder = os.path.dirname(path)
    if output is None:
        name = os.path.splitext(os.path.basename(path))[0]
        output = os.path.join("runs", name)
    stages = {name: sections[name] for name in SECTIONS if name in sections}
    if not stages:
        raise ProjectError(f"{path} has no stage. Add a section for each: {', '.join(SECTIONS)}. {_HELP}")
    filled: dict[str, Stage] = {}
    for name, stage in stages.items():
        filled[name] = _filled_in(stage, filled, output, path)
    return Project(path, os.path.join(folder, os.path.expanduser(output)).rstrip("/") or ".", filled)


def sources_of(stage: str, stages: Collection[str]) -> set[str]:
    """Those of the `stages` whose outputs a stage reads."""
    made = [sources for (owner, _), sources in FILLED_IN.items() if owner == stage]
    return {next((name for name, _ in sources if name in stages), stage) for sources in made} - {stage}


def _read_text(path: str) -> str:
    try:
        return files.read_bounded(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise ProjectError(
            f"There is no project file {path}. Give the path of a YAML file with a section for each stage. {_HELP}"
        ) from None
    except IsADirectoryError:
        raise ProjectError(f"{path} is a folder; a project file is expected, such as {path}/project.yaml.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} cannot be read as a project file: {error}.") from error


def _compose(text: str, path: str) -> yaml.MappingNode:
    """The file as nodes, which know their lines."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise ProjectError(
            f"{path}{line} is no YAML: {problem}. Each line is KEY: VALUE; the keys of a stage are indented by spaces, "
            "and a text with ': ' or ' #' in it stands in quotes."
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ProjectError(f"{path} is no YAML: {' '.join(str(error).split())}.") from error
    if node is None:
        raise ProjectError(f"{path} is empty. Add a section for each stage: {', '.join(SECTIONS)}. {_HELP}")
    if not isinstance(node, yaml.MappingNode):
        raise ProjectError(f"{path}:{_line(node)} is {_found(node)}; sections with the names of stages are expected.")
    return node


def _read_sections(root: yaml.MappingNode, path: str) -> tuple[dict[str, Stage], str | None]:
    """The stages by their names, and the output folder if it is given."""
    stages, output = {}, None
    for name, key, node in _items(root, path, "the file"):
        where = f"{path}:{_line(key)}"
        if name == OUTPUT:
            output = _output(node, where)
        elif name in SECTIONS:
            stages[name] = _read_stage(name, key, node, path)
        else:
            raise ProjectError(f"{where}: {name!r} is no stage. {_suggestion(name, [*SECTIONS, OUTPUT])}")
    return stages, output


def _output(node: yaml.Node, where: str) -> str:
    value = _plain(node)
    if not isinstance(value, str) or not value or files.is_remote(value):
        raise ProjectError(
            f"{where}: output is {_found(node)}; it is a folder on this machine for all that stages write, such as "
            "runs/pets. Records and checkpoints may be in a store: set output-dir of make-tfrecords and model-dir of "
            "train."
        )
    return "" if value in (".", "./") else value


def _read_stage(name: str, key: yaml.Node, node: yaml.Node, path: str) -> Stage:
    section, values, lines = SECTIONS[name], {}, {}
    for option, mark, written in _items(_mapping(node, name, path), path, name):
        where = f"{path}:{_line(mark)}"
        if option in section.refused:
            raise ProjectError(f"{where}: {option} of {name} is no key here: {section.refused[option]}. Remove it.")
        if option not in section.keys:
            raise ProjectError(f"{where}: {name} has no key {option!r}. {_suggestion(option, [*section.keys], name)}")
        kind = section.keys[option].kind
        try:
            values[option] = kind.read(_plain(written))
        except NotOfKind:
            raise ProjectError(
                f"{path}:{_line(written)}: {option} of {name} is {_found(written)}; it is {kind.in_words()}."
            ) from None
        lines[option] = _line(mark)
    return Stage(name, values, lines, _line(key))


def _mapping(node: yaml.Node, name: str, path: str) -> yaml.MappingNode:
    if isinstance(node, yaml.MappingNode):
        return node
    if isinstance(node, yaml.ScalarNode) and node.value in ("", "~", "null"):  # `evaluate:` alone
        return yaml.MappingNode("tag:yaml.org,2002:map", [])
    raise ProjectError(f"{path}:{_line(node)}: {name} is {_found(node)}; it is keys and values, such as {{seed: 7}}.")


def _items(node: yaml.MappingNode, path: str, owner: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Name, key node and value node of each entry."""
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ProjectError(f"{path}:{_line(key)}: a key of {owner} is {_found(key)}; it is a word.")
        yield key.value, key, value


def _require_plain(node: yaml.Node, path: str, seen: set[int]) -> None:
    """Raises ProjectError if a key stands twice in one block, or if a block stands in two places by an alias."""
    if isinstance(node, yaml.ScalarNode):
        return
    if id(node) in seen:
        raise ProjectError(
            f"{path}:{_line(node)}: an alias (*NAME) stands for this block elsewhere. Write it out there."
        )
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in first:
                raise ProjectError(
                    f"{path}:{_line(key)}: {key.value} stands twice, first in line {first[key.value]}. Keep one of "
                    "the two."
                )
            if isinstance(key, yaml.ScalarNode):
                first[key.value] = _line(key)
    for each in node.value:
        for inner in each if isinstance(each, tuple) else (each,):
            _require_plain(inner, path, seen)


def _plain(node: yaml.Node) -> Any:
    """The text of a scalar without quotes; lists and dicts of these; None where nothing is written."""
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each) for each in node.value]
    if isinstance(node, yaml.MappingNode):
        return {_plain(key): _plain(value) for key, value in node.value}
    is_null = node.tag == "tag:yaml.org,2002:null"
    return None if is_null else node.value


def _filled_in(stage: Stage, before: Mapping[str, Stage], output: str, path: str) -> Stage:
    """The stage with the keys that it leaves out, as others make what they name."""
    values = dict(stage.values)
    for (owner, key), name in MADE.items():
        if owner == stage.name and key not in values:
            values[key] = os.path.join(output, name)
    for (owner, key), sources in FILLED_IN.items():
        if owner != stage.name or key in values:
            continue
        found = next((before[name].values[made] for name, made in sources if name in before), None)
        if found is not None:
            values[key] = [found] if key == "train-records" else found
        elif (owner, key) not in OPTIONAL:
            maker = sources[0][0]
            raise ProjectError(
                f"{path}:{stage.line}: {owner} needs a {key}, and no stage before it makes one. Add a section "
                f"{maker}, or the key {key} with a path."
            )
    if stage.name == "evaluate" and "train" in before and not values.keys() & set(DEVICES):
        values |= {key: value for key, value in before["train"].values.items() if key in DEVICES}
    for key in NEEDED.get(stage.name, ()):
        if key not in values:
            kind = SECTIONS[stage.name].keys[key].kind.in_words()
            raise ProjectError(f"{path}:{stage.line}: {stage.name} has no {key}. Add it: {kind}.")
    return Stage(stage.name, values, stage.lines, stage.line)


def _suggestion(word: str, names: list[str], stage: str | None = None) -> str:
    """The nearest of the names; or the stage that has such a key; or all of them."""
    plain = word.lstrip("-").replace("_", "-").lower()
    near = [plain] if plain in names else nearest(plain, names)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    others = [name for name, section in SECTIONS.items() if plain in section.keys and name != stage]
    if others:
        return f"It is a key of {' and '.join(others)}."
    return f"There are {', '.join(names)}."


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _found(node: yaml.Node) -> str:
    """A value, for messages."""
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a block of keys"
    return "empty" if _plain(node) is None else repr(node.value)
