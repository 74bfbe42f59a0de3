"""CSV files of a run that goes on: read as they grow, and from the start when the run replaced them."""

import math

import pytest

from odtk.training.loggers.csv_table import CsvTable
from odtk.web.run_views.growing_log import MOST_WARNINGS, GrowingLog
from odtk.web.run_views.growing_table import GrowingTable


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


def test_there_are_no_rows_before_there_is_a_file(path):
    assert len(GrowingTable(path).update()) == 0


def test_a_line_without_its_end_waits_for_it(path):
    table = GrowingTable(path)
    path.write_text("step,loss\n10,2.5\n20,1")
    assert list(table.update().steps) == [10]
    path.write_text("step,loss\n10,2.5\n20,1.25\n")
    assert list(table.update().values["loss"]) == [2.5, 1.25]


def test_only_what_is_new_is_read(path):
    table, writer = GrowingTable(path), CsvTable(str(path))
    writer.append([{"step": step, "loss": 1 / step} for step in range(1, 5001)])
    before = table.update()
    read, table._add = [], lambda text, add=table._add: (read.append(text), add(text))
    writer.append([{"step": 5001, "loss": 0.5}])
    assert table.update() is before
    assert before.steps[-1] == 5001
    assert read == ["5001,0.5\n"]
    version = table.version
    table.update()
    assert table.version == version


def test_nan_and_infinity_are_kept_apart_from_cells_without_a_value(path):
    path.write_text("step,loss,norm\n10,nan,1\n20,,2\n30,inf,3\n40,0.5,\n")
    columns = GrowingTable(path).update()
    assert columns.bad == {"loss": [10, 30]}
    steps, values = columns.series("loss")
    assert (steps.tolist(), values.tolist()) == ([40], [0.5])
    assert columns.last("norm") == 3
    assert columns.row(-1) == {"step": 40, "loss": 0.5}


def test_a_column_that_appears_after_a_resume_replaces_the_file(path):
    table, writer = GrowingTable(path), CsvTable(str(path))
    writer.append([{"step": 10, "loss": 2.0}])
    before = table.update()
    writer.append([{"step": 20, "loss": 1.0, "loss_scale": 32768.0}])
    after = table.update()
    assert after is not before
    assert list(after.steps) == [10, 20]
    assert math.isnan(after.values["loss_scale"][0])
    assert after.values["loss_scale"][1] == 32768.0


def test_rows_that_a_resumed_run_trains_again_are_there_once(path):
    table, writer = GrowingTable(path), CsvTable(str(path))
    writer.append([{"step": step, "loss": 1.0} for step in (10, 20, 30)])
    table.update()
    resumed = CsvTable(str(path))
    resumed.start(20, print)
    resumed.append([{"step": 30, "loss": 0.25}])
    columns = table.update()
    assert list(columns.steps) == [10, 20, 30]
    assert columns.values["loss"][2] == 0.25


def test_a_file_that_is_longer_and_another_one_is_read_from_the_start(path):
    table = GrowingTable(path)
    path.write_text("step,loss\n10,2\n")
    table.update()
    path.write_text("step,loss\n1,9\n2,8\n3,7\n")  # the same inode
    assert list(table.update().steps) == [1, 2, 3]
    path.unlink()
    assert len(table.update()) == 0


def test_what_something_else_has_damaged_ends_the_rows(path):
    path.write_text("step,loss\n10,2\n20,x\n30,1\n")
    assert list(GrowingTable(path).update().steps) == [10]
    path.write_text("no,steps\n10,2\n")
    assert len(GrowingTable(path).update()) == 0


def test_the_warnings_and_the_last_error_of_a_log_are_found(tmp_path):
    path = tmp_path / "1.log"
    log = GrowingLog(path)
    log.update()
    assert (log.end, log.warnings, log.error) == ("", {}, None)
    path.write_bytes(b"Device: CPU\nwarning: a bad record\nwarn")
    log.update()
    with path.open("ab") as file:
        file.write(b"ing: a bad record\nerror: no space\n\xff\n")
    log.update()
    assert log.warnings == {"a bad record": 2}
    assert log.error == "no space"
    assert log.end.startswith("Device: CPU")
    path.write_text("".join(f"warning: {number}\n" for number in range(30)) + "x" * 20_000)
    log = GrowingLog(path)
    log.update()
    assert len(log.warnings) == MOST_WARNINGS
    assert len(log.end) <= 12_000
