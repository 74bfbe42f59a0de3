"""Changes annotations of a COCO JSON where they stand in the text: all other text stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from odtk.annotations import text_encoding
from odtk.annotations.coco_json import plain
from odtk.annotations.edits import NORMALIZED_DECIMALS, Edit, cannot, refuse_outline, replaced
from odtk.annotations.value_parsing import short

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?\d[\d.eE+-]*")
_decoder = json.JSONDecoder()

Span = tuple[int, int]
_Replaced = tuple[int, int, str]  # a span, and what takes its place


@dataclass(frozen=True)
class ImageEdits:
    """The edits of one image."""

    image: str
    """Its path in the dataset."""
    edits: Sequence[Edit]
    annotations: Sequence[tuple[object, object, object]]
    """id, category_id and bbox of its annotations, as they are read."""


def edited(data: bytes, path: str, images: Sequence[ImageEdits], is_normalized: bool) -> bytes:
    """The bytes of a JSON file with annotations of some images changed; UnusableImage for what cannot be written."""
    encoding, mark = text_encoding.encoding_of(data)
    text = data[mark:].decode(encoding)
    top = _members(text, 0)
    least = NORMALIZED_DECIMALS if is_normalized else 0
    old = [(edit, each.annotations[edit.index]) for each in images for edit in each.edits if edit.index is not None]
    new = [(each.image, edit) for each in images for edit in each.edits if edit.index is None]
    spans, places = _find(text, path, top, [identity for _, identity in old])
    changes: list[_Replaced] = []
    for (edit, _), place in zip(old, places, strict=True):
        refuse_outline(edit, path)
        if not edit.is_discarded:
            changes += _changed(text, path, spans[place], top, edit, least)
    gone = {place for (edit, _), place in zip(old, places, strict=True) if edit.is_discarded}
    changes += ((*span, "") for span in _removed(spans, gone))
    kept = [span for number, span in enumerate(spans) if number not in gone]
    changes += [_added(text, path, top, new, (spans, kept), least)] if new else []
    return data[:mark] + replaced(text, changes).encode(encoding)


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    assert found is not None
    return found.end()


def _members(text: str, place: int) -> dict[str, Span]:
    """The spans of an object's values by key; the last one of several, as JSON is read."""
    spans: dict[str, Span] = {}
    place = _skip(text, _skip(text, place) + 1)
    while text[place] != "}":
        key, place = scanstring(text, place + 1, False)
        place = _skip(text, _skip(text, place) + 1)  # the colon
        _, end = _decoder.raw_decode(text, place)
        spans[key] = (place, end)
        place = _skip(text, end)
        place = _skip(text, place + 1) if text[place] == "," else place
    return spans


def _elements(text: str, span: Span) -> Iterator[tuple[Span, Any]]:
    """The elements of an array, with their spans."""
    place = _skip(text, span[0] + 1)
    while text[place] != "]":
        value, end = _decoder.raw_decode(text, place)
        yield (place, end), value
        place = _skip(text, end)
        place = _skip(text, place + 1) if text[place] == "," else place


def _find(
    text: str, path: str, top: Mapping[str, Span], wanted: Sequence[tuple[object, object, object]]
) -> tuple[list[Span], list[int]]:
    """The spans of all annotations, and the numbers of those that are wanted; each must be there once."""
    spans: list[Span] = []
    found: list[list[int]] = [[] for _ in wanted]
    of_id: dict[str, list[int]] = {}
    for place, (identity, _, _) in enumerate(wanted):
        of_id.setdefault(repr(identity), []).append(place)
    for number, (span, value) in enumerate(_elements(text, top["annotations"])):
        spans.append(span)
        for place in of_id.get(repr(value.get("id")), ()):
            if (value.get("category_id"), value.get("bbox")) == wanted[place][1:]:
                found[place].append(number)
    for (identity, _, _), numbers in zip(wanted, found, strict=True):
        if len(numbers) != 1:
            how = "not there any more" if not numbers else f"there {len(numbers)} times"
            raise cannot(path, None, f"the annotation {short(identity)} is {how}, so it cannot be changed.")
    return spans, [numbers[0] for numbers in found]


def _removed(spans: Sequence[Span], gone: Collection[int]) -> Iterator[Span]:
    """What is taken out with elements of an array, with the commas that are one too many."""
    last = max((number for number in range(len(spans)) if number not in gone), default=-1)
    for number in sorted(gone):
        if number < last:
            yield spans[number][0], spans[number + 1][0]
    if last + 1 < len(spans) and len(spans):
        yield (spans[last][1] if last >= 0 else spans[0][0]), spans[-1][1]


def _changed(text: str, path: str, span: Span, top: Mapping[str, Span], edit: Edit, least: int) -> Iterator[_Replaced]:
    members = _members(text, span[0])
    if edit.class_name is not None:
        yield *members["category_id"], json.dumps(_category(text, path, top, edit.class_name))
    if edit.numbers is None:
        return
    box = members["bbox"]
    before = _NUMBER.findall(text, *box)
    texts = edit.texts(before, least)
    # The four numbers are replaced, so that the space between them stays.
    for found, new in zip(_NUMBER.finditer(text, *box), texts, strict=True):
        yield *found.span(), new
    if "area" in members and edit.order == "xywh" and not least and not _has_outline(text, members):
        yield *members["area"], _number(float(texts[2]) * float(texts[3]))


def _number(value: float) -> str:
    return json.dumps(int(value) if value.is_integer() else round(value, 6))


def _has_outline(text: str, members: Mapping[str, Span]) -> bool:
    """Whether the area is that of an outline, which stays as it is."""
    span = members.get("segmentation")
    return span is not None and text[slice(*span)].strip("[] \t\r\n") not in ("", "null")


def _category(text: str, path: str, top: Mapping[str, Span], name: str) -> object:
    for _, value in _elements(text, top["categories"]):
        if str(value.get("name")).strip() == name:
            return value["id"]
    raise cannot(path, None, f"it has no category {name!r}. Add it to its list of categories first.")


def _added(
    text: str,
    path: str,
    top: Mapping[str, Span],
    edits: Sequence[tuple[str, Edit]],
    spans: tuple[Sequence[Span], Sequence[Span]],
    least: int,
) -> _Replaced:
    """New annotations after the last one that is kept; `spans` are of all, and of those that are kept."""
    every, kept = spans
    values = [value for _, value in _elements(text, top["annotations"])]
    used = [number for value in values if isinstance(number := plain(value.get("id")), int)]
    before = [str(number) for value in values[:100] for number in value.get("bbox") or ()]
    listed = [value for _, value in _elements(text, top["images"])]
    new = []
    for number, (image, edit) in enumerate(edits, max(used, default=0) + 1):
        category = _category(text, path, top, edit.class_name or "")
        new.append(json.dumps(_annotation(edit, number, _image_id(path, listed, image), category, before, least)))
    place = kept[-1][1] if kept else every[0][0] if every else top["annotations"][0] + 1
    space = text[len(text[: every[-1][0]].rstrip()) : every[-1][0]] if len(every) > 1 else " "
    between = f",{space}"
    return place, place, (between if kept else "") + between.join(new)


def _image_id(path: str, images: Sequence[Mapping[str, Any]], image: str) -> object:
    """The id of the only image whose file name is that path, or its end."""
    for is_it in (lambda name: name == image, lambda name: image.endswith(f"/{name}")):
        found = [value["id"] for value in images if is_it(str(value.get("file_name")))]
        if len(found) == 1:
            return found[0]
    raise cannot(path, None, f"its list of images does not have {image!r} exactly once, so an object has no place.")


def _annotation(edit: Edit, number: int, image: object, category: object, before: Sequence[str], least: int) -> dict:
    box = [float(each) for each in edit.texts(before, max(least, 1))]
    area = {} if least or edit.order != "xywh" else {"area": round(box[2] * box[3], 6)}
    return {
        "id": number, "image_id": image, "category_id": category, "bbox": box, **area, "iscrowd": 0, "segmentation": []
    }  # fmt: skip
