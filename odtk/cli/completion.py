"""`odtk completion`: what makes a shell complete odtk's command lines."""

import click

from odtk.cli import options


@click.command(short_help="Print what makes your shell complete odtk's commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@options.example(
    "odtk completion bash > ~/.local/share/bash-completion/completions/odtk",
    'odtk completion zsh > "${fpath[1]}/_odtk"',
    "odtk completion fish > ~/.config/fish/completions/odtk.fish",
)
@click.pass_context
def completion(ctx, shell) -> None:
    """Print the script by which a shell completes odtk's commands, options, shipped pipelines and file names on Tab.

    Write it where your shell looks for such scripts, as in the example (mkdir -p the folder first), and open a new
    shell. For bash that needs the package bash-completion; without it, put eval "$(odtk completion bash)" into
    ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    root = ctx.find_root()
    script = get_completion_class(shell)(root.command, {}, "odtk", "_ODTK_COMPLETE").source()
    click.echo(script)
