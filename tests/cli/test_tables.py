"""Tables print what stands in the data, whatever a terminal's markup language would make of it."""

from odtk.cli import options


def test_names_in_brackets_are_text(capsys):
    names = ["[/a]", "[red]b", "\\[c]"]
    options.print_table("of [/x]", ["Class", "[bold] boxes"], [[name, 1] for name in names])
    printed = capsys.readouterr().out
    assert all(text in printed for text in [*names, "of [/x]", "[bold] boxes"])
