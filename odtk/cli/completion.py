"""`odtk completion`: the script for Tab completion in a shell."""

import click

from odtk.cli import options


@click.command(short_help="Print the script for Tab completion in your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@options.example(
    "odtk completion bash > ~/.local/share/bash-completion/completions/odtk",
    'odtk completion zsh > "${fpath[1]}/_odtk"',
    "odtk completion fish > ~/.config/fish/completions/odtk.fish",
)
@click.pass_context
def completion(ctx, shell) -> None:
    """Print the script that lets a shell complete odtk's commands, options, shipped pipelines and file names.

    Save it where your shell looks for completion scripts, as in the example (mkdir -p the folder first), and open a new
    shell. bash needs the package bash-completion for this; without it, add eval "$(odtk completion bash)" to ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    root = ctx.find_root()
    script = get_completion_class(shell)(root.command, {}, "odtk", "_ODTK_COMPLETE").source()
    click.echo(script)
