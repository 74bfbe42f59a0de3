"""The galleries of an evaluation: how many pictures, in which colors, within how many bytes."""

import numpy as np
from PIL import Image

from odtk.evaluation.analysis.error_kinds import classify_errors
from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.results import Results, image_result
from odtk.tools.evaluate.error_drawing import MOST_DETECTIONS, ErrorDrawing, Tile
from odtk.tools.evaluate.explanation import Measured, explain
from odtk.tools.evaluate.galleries import Budget, Gallery, error_galleries, on_page, sheet

SIZE, BOX = (120, 160), [10, 10, 60, 60]


def _gallery(count: int, kind: str = "crops") -> Gallery:
    pictures = [Image.new("RGB", (60, 40))] * (2 if kind == "pairs" else 1)
    tiles = [Tile(pictures, f"{number}.jpg", "seen", frozenset(["both"])) for number in range(count)]
    return Gallery("worst-images", "What is shown.", tiles, {"both": "two things wrong", "missed": "not found"}, kind)


def test_what_does_not_fit_the_budget_is_left_out_and_counted():
    whole = on_page(_gallery(20), Budget())
    assert sum(len(list(part.iter("figure"))) for part in whole) == 20
    one = len(next(whole[2].iter("img")).get("src"))
    parts = on_page(_gallery(20), Budget(5 * one))
    assert sum(len(list(part.iter("figure"))) for part in parts) == 5
    assert parts[-1].text == "15 more are left out, as the page would be too large."
    assert not Budget(one - 1).takes(["x" * one])


def test_many_pictures_fold_and_the_legend_has_only_what_is_drawn():
    text, legend, shown, folded = on_page(_gallery(20), Budget())
    assert text.text == "What is shown."
    assert ["".join(entry.itertext()) for entry in legend] == ["both: two things wrong"]
    assert len(shown) == 12
    assert folded.findtext("summary") == "8 more"


def test_pairs_lie_side_by_side_on_the_page_and_in_the_file():
    pair = on_page(_gallery(1, "pairs"), Budget())[2][0]
    assert pair.get("class") == "pair"
    assert len(pair) == 2
    single, double = (sheet(_gallery(8, kind)) for kind in ("crops", "pairs"))
    assert single.height < double.height  # six in a row, and two


def test_a_class_with_many_errors_does_not_hide_the_others():
    images = [image_result(f"cat{n}.jpg", SIZE, [BOX], [1], [], [], []) for n in range(9)]
    images += [image_result("dog.jpg", SIZE, [[0, 0, 20, 20]], [2], [], [], [])]
    images += [image_result("ignored.jpg", SIZE, [BOX, [70, 70, 110, 110]], [1, 1], [], [], [], ignored=[True, False])]
    results = Results(images, {1: "cat", 2: "dog"}, lambda index: np.zeros([*SIZE, 3], np.uint8))
    made, problems = error_galleries(explain(results, Measured("m", "g", {}, {})), results)
    galleries = {gallery.name: gallery for gallery in made}
    assert problems == []
    missed = [tile.text for tile in galleries["missed-objects"].tiles]
    assert missed == ["cat, 50 pixels: missed"] * 4 + ["dog, 20 pixels: missed"]
    assert galleries["worst-images"].tiles[0].text == "0 right; 1 missed"
    assert galleries["worst-images"].legend.keys() == {"missed", "ignored"}


def test_a_picture_is_not_hidden_by_its_detections():
    scores = np.linspace(0.1, 0.9, 50)
    boxes = [[n, n, n + 20, n + 20] for n in range(50)]
    results = Results(
        [image_result("many.jpg", SIZE, [BOX], [1], boxes, [1 + n % 2 for n in range(50)], scores)],
        {1: "cat", 2: "dog"},
    )
    matching = match_images(results.images)
    drawn = ErrorDrawing(results, matching, classify_errors(results.images, matching)).detections(0)
    assert len(drawn) == MOST_DETECTIONS
    assert [int(box.label.split()[1].rstrip("%")) for box in drawn] == [
        round(100 * score) for score in scores[::-1][:20]
    ]


def test_of_many_classes_each_has_a_picture_before_one_has_several():
    boxes = [[0, 0, 40, 40], [0, 50, 39, 89]]  # of the first classes both are larger than any of the last ones
    images = [
        image_result(f"{c}.jpg", SIZE, boxes if c <= 20 else [[0, 0, 9, 9]], [c] * (2 if c <= 20 else 1), [], [], [])
        for c in range(1, 37)
    ]
    results = Results(images, {c: f"class{c}" for c in range(1, 37)}, lambda index: np.zeros([*SIZE, 3], np.uint8))
    made, _ = error_galleries(explain(results, Measured("m", "g", {}, {})), results)
    missed = next(gallery for gallery in made if gallery.name == "missed-objects").tiles
    assert [tile.name for tile in missed] == [f"{c}.jpg" for c in range(1, 37)]
