"""`odtk --version`: odtk's version, and those of what it computes with, from the packages' metadata alone."""

import click

from odtk import __version__

_TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu", "tf-nightly")
"""The distributions that hold the package `tensorflow`; an environment has one of them."""
_STACK = (_TENSORFLOW, ("tf-keras",), ("tf-models-official",), ("numpy",), ("protobuf",))


def version_lines() -> list[str]:
    """A line for odtk, one for Python, one for each package of the stack; a missing package is said to be missing."""
    import platform

    return [
        f"odtk, version {__version__}",
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        *(_line(names) for names in _STACK),
    ]


def _line(names: tuple[str, ...]) -> str:
    from importlib import metadata

    for name in names:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return f"{names[0]}: not installed (`odtk doctor` says what to do)"


def print_versions(ctx: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    """Click's callback of the option: prints and ends."""
    if is_asked and not ctx.resilient_parsing:
        click.echo("\n".join(version_lines()), color=ctx.color)
        ctx.exit()
