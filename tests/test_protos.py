"""The schema: generated modules against TFOD's schema (a golden) and against the .proto files beside them."""

import gzip
import importlib
import json
import re
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, text_encoding

PROTOS = Path(__file__).parents[1] / "odtk/protos"
SCHEMA = json.loads(gzip.decompress((Path(__file__).parent / "golden/pipeline_schema.json.gz").read_bytes()))
FILES = sorted(path.name for path in PROTOS.glob("*.proto"))

LABELS = {1: "optional", 2: "required", 3: "repeated"}
SCALARS = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "uint32",
}


def generated(filename: str) -> descriptor_pb2.FileDescriptorProto:
    module = importlib.import_module(f"odtk.protos.{filename.removesuffix('.proto')}_pb2")
    described = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(described)
    return described


def default_of(kind: str, text: str):
    if kind in ("float", "double"):
        return pytest.approx(float(text), rel=1e-6)
    if kind == "bool":
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) and kind != "string" else text


def as_schema(file: descriptor_pb2.FileDescriptorProto) -> dict:
    """A descriptor in the form of TFOD's schema JSON, where it is also the form of a parsed .proto file."""
    schema = {"syntax": file.syntax or "proto2"}
    if file.dependency:
        schema["imports"] = [name.removeprefix("odtk/protos/") for name in file.dependency]
    schema["messages"] = {message.name: _message(message) for message in file.message_type}
    if file.enum_type:
        schema["enums"] = _enums(file.enum_type)
    return schema


def _enums(enums) -> dict:
    return {enum.name: {value.name: value.number for value in enum.value} for enum in enums}


def _message(message) -> dict:
    schema = {"fields": [_field(field) for field in message.field]}
    for index, oneof in enumerate(message.oneof_decl):
        members = [f.name for f in message.field if f.HasField("oneof_index") and f.oneof_index == index]
        schema.setdefault("oneofs", {})[oneof.name] = members
    if message.nested_type:
        schema["messages"] = {nested.name: _message(nested) for nested in message.nested_type}
    if message.enum_type:
        schema["enums"] = _enums(message.enum_type)
    if message.extension_range:
        schema["extensions"] = [[extensions.start, extensions.end] for extensions in message.extension_range]
    return schema


def _field(field) -> dict:
    kind = SCALARS.get(field.type) or field.type_name.removeprefix(".odtk.protos.")
    schema = {"name": field.name, "number": field.number, "label": LABELS[field.label], "type": kind}
    if field.HasField("default_value"):
        schema["default"] = default_of(kind, field.default_value)
    if field.options.deprecated:
        schema["deprecated"] = True
    return schema


@pytest.mark.parametrize("filename", sorted(SCHEMA))
@pytest.mark.parity(what="the schema, message by message", against="pipeline_schema.json.gz", tolerance="exact")
def test_every_message_and_field_is_tfods(filename):
    assert as_schema(generated(filename)) == SCHEMA[filename]


def test_nothing_can_collide_with_an_installed_tfod():
    for filename in FILES:
        file = generated(filename)
        assert (file.name, file.package) == (f"odtk/protos/{filename}", "odtk.protos")
        assert all(name.startswith("odtk/protos/") for name in file.dependency)


def test_maps_are_maps():
    entries = {
        entry.name: entry.options.map_entry
        for filename in FILES
        for message in generated(filename).message_type
        for entry in [*message.nested_type, *(inner for nested in message.nested_type for inner in nested.nested_type)]
        if entry.name.endswith("Entry")
    }
    assert entries
    assert all(entries.values())


def test_every_proto_file_has_its_module_and_no_module_lost_its_file():
    assert [path.name.removesuffix("_pb2.py") for path in sorted(PROTOS.glob("*_pb2.py"))] == [
        name.removesuffix(".proto") for name in sorted(FILES, key=lambda name: name.replace(".proto", "_pb2.py"))
    ]


@pytest.mark.parametrize("filename", FILES)
def test_generated_module_matches_its_proto_file(filename):
    """Fails when a .proto file is edited and `make protos` is not run: both sides are compared, not recorded."""
    written = ProtoFile((PROTOS / filename).read_text()).schema()
    assert as_schema(generated(filename)) == resolved(written, filename), "run `make protos`"


class ProtoFile:
    """Reads the subset of the .proto language that odtk's files use; anything else fails loudly."""

    TOKEN = re.compile(r'\s+|//[^\n]*|/\*.*?\*/|("(?:[^"\\]|\\.)*"|[\w.+-]+|[{}=;\[\],<>])', re.DOTALL)

    def __init__(self, text: str):
        self.tokens = [token for token in self.TOKEN.findall(text) if token]
        assert not self.TOKEN.sub("", text), "unreadable .proto text"

    def take(self, expected: str | None = None) -> str:
        token = self.tokens.pop(0)
        assert expected is None or token == expected, f"expected {expected}, found {token}"
        return token

    def schema(self) -> dict:
        schema = {"messages": {}}
        while self.tokens:
            keyword = self.take()
            if keyword in ("message", "enum"):
                kinds = schema["messages"] if keyword == "message" else schema.setdefault("enums", {})
                name = self.take()
                kinds[name] = self.message() if keyword == "message" else self.enum()
            elif keyword == "import":
                schema.setdefault("imports", []).append(self.take().strip('"').removeprefix("odtk/protos/"))
                self.take(";")
            else:
                assert keyword in ("syntax", "package"), keyword
                self.take("=") if keyword == "syntax" else None
                schema[keyword] = self.take().strip('"')
                self.take(";")
        assert schema.pop("package") == "odtk.protos"
        return schema

    def enum(self) -> dict:
        values = {}
        self.take("{")
        while self.tokens[0] != "}":
            name = self.take()
            self.take("=")
            values[name] = int(self.take())
            self.take(";")
        self.take("}")
        return values

    def message(self) -> dict:
        schema = {"fields": []}
        self.take("{")
        while (keyword := self.take()) != "}":
            if keyword in ("message", "enum"):
                kinds = schema.setdefault("messages" if keyword == "message" else "enums", {})
                name = self.take()
                kinds[name] = self.message() if keyword == "message" else self.enum()
            elif keyword == "oneof":
                name = self.take()
                members = self.oneof()
                schema.setdefault("oneofs", {})[name] = [member["name"] for member in members]
                schema["fields"] += members
            elif keyword == "extensions":
                first, _, last = int(self.take()), self.take("to"), self.take()
                schema.setdefault("extensions", []).append([first, 2**29 if last == "max" else int(last) + 1])
                self.take(";")
            elif keyword == "map":
                schema["fields"].append(self.map_field(schema))
            else:
                label = keyword if keyword in LABELS.values() else "optional"  # proto3 leaves it out
                schema["fields"].append(self.field(label, self.take() if label == keyword else keyword))
        return schema

    def oneof(self) -> list[dict]:
        members = []
        self.take("{")
        while (kind := self.take()) != "}":
            members.append(self.field("optional", kind))
        return members

    def map_field(self, schema: dict) -> dict:
        self.take("<")
        key, _, value, _ = self.take(), self.take(","), self.take(), self.take(">")
        field = self.field("repeated", "")
        field["type"] = "".join(part.capitalize() for part in field["name"].split("_")) + "Entry"
        entry = [("key", 1, key), ("value", 2, value)]
        schema.setdefault("messages", {})[field["type"]] = {
            "fields": [{"name": n, "number": i, "label": "optional", "type": kind} for n, i, kind in entry]
        }
        return field

    def field(self, label: str, kind: str) -> dict:
        field = {"name": self.take(), "number": (self.take("="), int(self.take()))[1], "label": label, "type": kind}
        while self.take() != ";":  # `;`, or the `[` and `,` before an option
            option, _, value = self.take(), self.take("="), self.take()
            if option == "default":
                is_text = value.startswith('"')
                field["default"] = text_encoding.CUnescape(value[1:-1]).decode() if is_text else default_of(kind, value)
            else:
                assert (option, value) in (("deprecated", "true"), ("packed", "true")), option
                field |= {"deprecated": True} if option == "deprecated" else {}
            if self.tokens[0] == "]":
                self.take()
        return field


def resolved(schema: dict, filename: str) -> dict:
    """The parsed file with type names in full, as descriptors have them: the innermost scope that knows a name."""
    known = set()
    for name in FILES:
        known |= _type_names(ProtoFile((PROTOS / name).read_text()).schema(), "")

    def resolve(message: dict, scope: str) -> None:
        for field in message["fields"]:
            if field["type"] not in SCALARS.values():
                scopes = [scope.rsplit(".", depth)[0] + "." for depth in range(scope.count(".") + 1)] + [""]
                field["type"] = next(outer + field["type"] for outer in scopes if outer + field["type"] in known)
        for name, nested in message.get("messages", {}).items():
            resolve(nested, f"{scope}.{name}")

    for name, message in schema["messages"].items():
        resolve(message, name)
    return schema


def _type_names(schema: dict, scope: str) -> set[str]:
    names = {scope + name for name in schema.get("enums", {})}
    for name, message in schema.get("messages", {}).items():
        names |= {scope + name} | _type_names(message, f"{scope}{name}.")
    return names
