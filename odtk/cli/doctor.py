"""`odtk doctor`."""

import click

from odtk.cli.options import any_path, example, json_option, log, print_json

_COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command(short_help="Check whether this machine can train, and on what.")
@click.argument("folder", type=any_path, default=".", metavar="[FOLDER]")
@json_option
@click.pass_context
@example("odtk doctor", "odtk doctor models/pets")
def doctor(ctx, folder, as_json) -> None:
    """Check whether this machine can train, on what, and what is missing.

    Checks that the versions of Python, TensorFlow and the packages around it fit each other and that their files are
    whole; that TensorFlow sees the GPU or TPU, or why not; memory; the space and the speed of FOLDER, in which models
    would be saved (default: the current folder); the precision that training would choose; and two training steps of a
    small network. Each finding comes with its remedy. The exit code is 1 if there is an error.
    """
    from odtk.tools.doctor import doctor as run

    report = run(folder, log=log)
    if ctx.find_root().params.get("debug"):
        for line in report.log:
            log(line)
    if as_json:
        told = ("severity", "kind", "text", "fix")
        findings = [{name: getattr(each, name) for name in told} for each in report.findings]
        print_json({"folder": report.folder, "facts": report.facts, "findings": findings})
    else:
        _print(report)
    ctx.exit(int(not report.is_healthy))


def _print(report) -> None:
    from odtk.findings import summary
    from odtk.terminal_text import on_one_line

    width = max(len(name) for facts in report.facts.values() for name in facts)
    for title, facts in report.facts.items():
        click.secho(f"\n{title}", bold=True)
        for name, value in facts.items():
            click.echo(_wrapped(f"  {name:{width}}  {on_one_line(value)}", width + 4))
    click.echo()
    for finding in report.findings:
        head = click.style(f"{finding.severity}:", fg=_COLORS[finding.severity])
        click.echo(f"{head} {_wrapped(on_one_line(finding.text), 4, len(finding.severity) + 2)}")
        click.echo(f"    Fix: {on_one_line(finding.fix)}\n")  # not wrapped: it may be a command to be pasted
    click.echo(summary(report.findings))


def _wrapped(text: str, indent: int, taken: int = 0) -> str:
    """As wide as the terminal, further lines indented; `taken`: columns of the first line that are used already."""
    import shutil
    import textwrap

    width = shutil.get_terminal_size((100, 0)).columns
    lines = textwrap.wrap(
        "." * taken + text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)[taken:]
