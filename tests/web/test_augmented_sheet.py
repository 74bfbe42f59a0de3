"""Which record a picture of augmentations is of: counted over all files."""

import pytest

from odtk.errors import DataError
from odtk.records import shards
from odtk.web.augmented_sheet import _place


def test_records_are_counted_over_all_files(tmp_path):
    paths = [str(tmp_path / name) for name in ("a", "b", "c")]
    for path, count in zip(paths, (2, 0, 3), strict=True):
        shards.write_records(path, [b"x"] * count)
    assert [_place(paths, record) for record in (0, 1, 2, 4)] == [(0, 0), (0, 1), (2, 0), (2, 2)]
    with pytest.raises(DataError, match="5 records to train on"):
        _place(paths, 5)
