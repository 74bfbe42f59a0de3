"""How commands print."""

import json
import math

from odtk.cli import options
from odtk.records.box_errors import BadBox


def test_json_holds_no_number_that_its_readers_refuse(capsys):
    box = BadBox(0, "not a number", (math.nan, 0.5, -math.inf, 1.0))
    options.print_json({"bad_boxes": [vars(box)], "step": 3, "name": "NaN", "is_new": True, "none": None})

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    document = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert document["bad_boxes"] == [{"index": 0, "fault": "not a number", "box": [None, 0.5, None, 1.0]}]
    assert {name: document[name] for name in ("step", "name", "is_new", "none")} == {
        "step": 3, "name": "NaN", "is_new": True, "none": None}  # fmt: skip
