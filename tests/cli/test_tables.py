"""Tables print what stands in the data, whatever a terminal's markup language would make of it."""

from odtk.cli import options


def test_names_in_brackets_are_text(capsys):
    names = ["[/a]", "[red]b", "\\[c]"]
    options.print_table("of [/x]", ["Class", "[bold] boxes"], [[name, 1] for name in names])
    printed = capsys.readouterr().out
    assert all(text in printed for text in [*names, "of [/x]", "[bold] boxes"])


def test_in_a_narrow_terminal_names_stay_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    name = "conv2_block1_1_relu"
    options.print_table("", ["Layer", "outputs"], [[name, "20x20x64, 10x10x64, 5x5x64, 3x3x64"]])
    assert capsys.readouterr().out.splitlines()[1].startswith(name + " ")
