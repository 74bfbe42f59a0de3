"""Changes annotations of a COCO JSON where they stand in the text: all other text stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from odtk.annotations import text_encoding
from odtk.annotations.coco_json import plain
from odtk.annotations.edits import Edit, cannot, decimals_of, refuse_outline, rounded_size
from odtk.annotations.value_parsing import short

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?\d[\d.eE+-]*")
_NORMALIZED_DECIMALS = 6
_decoder = json.JSONDecoder()

Span = tuple[int, int]


def edited(
    data: bytes,
    path: str,
    edits: Sequence[Edit],
    annotations: Sequence[tuple[object, object, object]],
    image: str,
    is_normalized: bool,
) -> bytes:
    """The bytes of a JSON file with annotations of one image changed.

    `annotations`: id, category_id and bbox of the image's annotations, as they are read; `image` is its name in
    `images`, for a new one. Raises UnusableImage for what cannot be written.
    """
    encoding, mark = text_encoding.encoding_of(data)
    text = data[mark:].decode(encoding)
    top = _members(text, 0)
    least = _NORMALIZED_DECIMALS if is_normalized else 0
    wanted = {index: annotations[index] for index in {edit.index for edit in edits} if index is not None}
    places = _find(text, path, top, wanted)
    replaced: list[tuple[Span, str]] = []
    for edit in edits:
        refuse_outline(edit, path)
        if edit.index is not None:
            span = places[edit.index]
            if edit.is_discarded:
                replaced.append((_with_comma(text, span), ""))
            else:
                replaced += _changed(text, path, span, top, edit, least)
    replaced += _added(text, path, top, [edit for edit in edits if edit.index is None], image, least)
    for (start, end), new in sorted(replaced, reverse=True):
        text = text[:start] + new + text[end:]
    return data[:mark] + text.encode(encoding)


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


def _find(text: str, path: str, top: Mapping[str, Span], wanted: Mapping[int, tuple]) -> dict[int, Span]:
    """The spans of the wanted annotations; each must be there once."""
    found: dict[int, list[Span]] = {index: [] for index in wanted}
    for span, value in _elements(text, top["annotations"]) if wanted else ():
        for index, (number, category, bbox) in wanted.items():
            if value.get("id") == number and value.get("category_id") == category and value.get("bbox") == bbox:
                found[index].append(span)
    for index, spans in found.items():
        if len(spans) != 1:
            how = "not there any more" if not spans else f"there {len(spans)} times"
            raise cannot(path, None, f"the annotation {short(wanted[index][0])} is {how}, so it cannot be changed.")
    return {index: spans[0] for index, spans in found.items()}


def _with_comma(text: str, span: Span) -> Span:
    """An element of an array with the comma after it, or before it if it is the last."""
    start, end = span
    after = _skip(text, end)
    if text[after] == ",":
        return start, _skip(text, after + 1)
    before = len(text[:start].rstrip())
    return (before - 1 if text[before - 1] == "," else before), end


def _changed(
    text: str, path: str, span: Span, top: Mapping[str, Span], edit: Edit, least: int
) -> Iterator[tuple[Span, str]]:
    members = _members(text, span[0])
    if edit.class_name is not None:
        yield members["category_id"], json.dumps(_category(text, path, top, edit.class_name))
    if edit.numbers is None:
        return
    box = members["bbox"]
    before = _NUMBER.findall(text[slice(*box)])
    numbers = rounded_size(edit.numbers, decimals_of(before, least))
    texts = _texts(numbers, decimals_of(before, least))
    # The four numbers are replaced, so that the space between them stays.
    for found, new in zip(_NUMBER.finditer(text, *box), texts, strict=True):
        yield found.span(), new
    if "area" in members and not _has_outline(text, members):
        yield members["area"], _texts([numbers[2] * numbers[3]], 2 * decimals_of(before, least))[0]


def _texts(numbers: Sequence[float], decimals: int) -> list[str]:
    return [f"{number:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{number:.0f}" for number in numbers]


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
    text: str, path: str, top: Mapping[str, Span], edits: Sequence[Edit], image: str, least: int
) -> Iterator[tuple[Span, str]]:
    if not edits:
        return
    listed = [value["id"] for _, value in _elements(text, top["images"]) if value.get("file_name") == image]
    if len(listed) != 1:
        raise cannot(path, None, f"its list of images has {image!r} {len(listed)} times, so an object has no place.")
    spans = list(_elements(text, top["annotations"]))
    numbers = [number for _, value in spans if isinstance(number := plain(value.get("id")), int)]
    box_texts = [each for _, value in spans[:100] for each in _NUMBER.findall(json.dumps(value.get("bbox") or []))]
    decimals = max(decimals_of(box_texts, least), 1)
    made = []
    for number, edit in enumerate(edits, max(numbers, default=0) + 1):
        assert edit.numbers is not None
        assert edit.class_name is not None
        box = [float(each) for each in _texts(rounded_size(edit.numbers, decimals), decimals)]
        made.append({
            "id": number, "image_id": listed[0], "category_id": _category(text, path, top, edit.class_name),
            "bbox": box, "area": round(box[2] * box[3], 2 * decimals), "iscrowd": 0, "segmentation": [],
        })  # fmt: skip
    place = spans[-1][0][1] if spans else top["annotations"][0] + 1
    space = text[len(text[: spans[-1][0][0]].rstrip()) : spans[-1][0][0]] if spans else ""
    new = [json.dumps(each) for each in made]
    yield (place, place), (f",{space}" if spans else "") + f",{space}".join(new)
