"""The growing CSV file: what is kept on resuming, what is never mixed, what a reader sees meanwhile."""

import csv
import math

import pytest
import tensorflow as tf

from odtk.training.loggers.csv_table import CsvTable, read

ODD = ["Maine, Coon", 'the "tiger"', "two\nlines", "a\rb", "ægir 猫", " space "]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "table.csv")


def written(path, rows, step=10**6):
    table, told = CsvTable(path), []
    kept = table.start(step, told.append)
    for row in rows:
        table.append([row])
    return kept, told


def content(path):
    with open(path, "rb") as file:
        return file.read()


def test_is_csv_as_python_reads_it_whatever_columns_are_called(path):
    row = {"step": 3, **{name: index / 3 for index, name in enumerate(ODD)}}
    written(path, [row, {**row, "step": 4}])
    with open(path, newline="", encoding="utf-8") as file:
        header, *cells = csv.reader(file)
    assert header == ["step", *ODD]
    assert [float(cell) for cell in cells[0]] == list(row.values())
    assert read(path) == [row, {**row, "step": 4}]
    assert content(path).count(b"\r") == 1, "lines end with a line feed alone"


def test_values_come_back_to_the_last_bit_and_unknown_ones_are_left_out(path):
    written(path, [{"step": 1, "x": 0.1 + 0.2, "y": None, "z": -1.0}, {"step": 2, "x": math.inf, "y": 1e-300}])
    assert read(path) == [{"step": 1, "x": 0.1 + 0.2, "z": -1.0}, {"step": 2, "x": math.inf, "y": 1e-300}]
    written(path, [{"step": 3, "x": math.nan}])
    assert math.isnan(read(path)[-1]["x"])


def test_each_row_is_one_write_at_the_end(path):
    table = CsvTable(path)
    table.start(0, print)
    seen = []
    for step in (1, 2, 3):
        table.append([{"step": step, "x": 0.5}])
        seen.append(content(path))
    assert seen == [b"step,x\n1,0.5\n", b"step,x\n1,0.5\n2,0.5\n", b"step,x\n1,0.5\n2,0.5\n3,0.5\n"]


def test_resuming_removes_later_rows_and_a_cut_line_without_a_word(path):
    written(path, [{"step": step, "x": step / 2} for step in (10, 20, 30)])
    with open(path, "ab") as file:
        file.write(b"40,2")
    assert [row["step"] for row in read(path)] == [10, 20, 30]
    kept, told = written(path, [{"step": 21, "x": 1.5}], step=20)
    assert ([row["step"] for row in kept], told) == ([10, 20], [])
    assert content(path) == b"step,x\n10,5.0\n20,10.0\n21,1.5\n"


def test_without_a_row_left_the_columns_are_those_of_the_next_run(path):
    written(path, [{"step": 10, "old": 1.0}])
    assert written(path, [], step=5)[0] == []
    assert content(path) == b"step,old\n"
    written(path, [{"step": 6, "new": 2.0}])
    assert content(path) == b"step,new\n6,2.0\n"


def test_a_new_column_is_added_to_all_rows(path):
    written(path, [{"step": 1, "a": 1.0}])
    written(path, [{"step": 2, "b": 2.0}, {"step": 3, "a": 3.0}])
    assert content(path) == b"step,a,b\n1,1.0,\n2,,2.0\n3,3.0,\n"


def test_a_step_that_was_trained_again_replaces_its_row_and_later_ones(path):
    written(path, [{"step": step, "x": 0.0} for step in (10, 20, 30)] + [{"step": 20, "x": 1.0}])
    assert content(path) == b"step,x\n10,0.0\n20,1.0\n"


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (b"\0\0\0\n", "line 3: it has 1 cells, the header 2"),
        (b"2,many\n", "line 3: could not convert string to float: 'many'"),
        (b",1.0\n", "line 3: it has no step"),
        (b"1,1.0\n", "line 3: its step 1 follows on step 1"),
        (b'2,"1.0\n', "line 3: unexpected end of data"),
    ],
)
def test_what_something_else_damaged_is_kept_aside(path, tail, why):
    written(path, [{"step": 1, "x": 0.0}])
    with open(path, "ab") as file:
        file.write(tail + b"3,0.0\n" * (b'"' not in tail))
    broken = content(path)
    assert read(path) == [{"step": 1, "x": 0.0}]
    aside = path.replace(".csv", "-damaged.csv")
    _, told = written(path, [])
    assert told == [f"warning: {path}, {why}: this line and all after it were removed. The old file is now {aside}."]
    assert (content(path), content(aside)) == (b"step,x\n1,0.0\n", broken)
    assert written(path, []) == ([{"step": 1, "x": 0.0}], [])


def test_another_programs_file_is_kept_aside(path):
    with open(path, "w") as file:
        file.write("name;value\na;1\n")
    _, (told,) = written(path, [{"step": 1, "x": 0.0}])
    assert "line 1: there is no column step" in told
    assert content(path) == b"step,x\n1,0.0\n"


def test_a_file_that_was_removed_meanwhile_gets_its_header_again_but_not_a_folder(path, tmp_path):
    table = CsvTable(path)
    table.start(0, print)
    table.append([{"step": 1, "x": 0.0}])
    (tmp_path / "table.csv").unlink()
    table.append([{"step": 2, "x": 0.0}])
    assert content(path) == b"step,x\n2,0.0\n"
    (tmp_path / "table.csv").unlink()
    tmp_path.rmdir()
    with pytest.raises(FileNotFoundError, match=r"table\.csv"):
        table.append([{"step": 3, "x": 0.0}])
    assert not tmp_path.exists()


def test_no_file_has_no_rows_and_none_is_made_by_starting(path, tmp_path):
    assert (read(path), written(path, [])) == ([], ([], []))
    assert list(tmp_path.iterdir()) == []


def test_in_a_store():
    path = "ram://csv_table/table.csv"
    written(path, [{"step": step, "x": 0.0} for step in (1, 2, 3)])
    written(path, [{"step": 3, "x": 1.0}], step=2)
    assert tf.io.gfile.GFile(path).read() == "step,x\n1,0.0\n2,0.0\n3,1.0\n"
    assert read(path)[-1] == {"step": 3, "x": 1.0}
