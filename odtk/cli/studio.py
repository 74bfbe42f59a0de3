"""`odtk studio`: all of odtk in a browser."""

import click

from odtk.cli import options


@click.command(short_help="Do all of this in a browser.")
@click.argument("folder", default=".", type=options.any_path)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, metavar="PORT",
              help="The port to listen on; 0 for any that is free.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="The address to listen on: by default only this machine's own browsers reach the studio. Any other "
              "one needs --token.")  # fmt: skip
@click.option("--token", is_flag=True, help="Answer only to browsers that have opened the address with the secret in "
              "it that is made and printed now.")  # fmt: skip
@click.option("--root-path", default="", metavar="PATH",
              help="The path at which a proxy shows the studio, such as /studio, or /user/NAME/proxy/PORT on a "
              "JupyterHub. It needs --token.")  # fmt: skip
@click.option("--root", "roots", multiple=True, type=options.any_path, metavar="FOLDER",
              help="A further folder for pages, e.g. where your datasets are; may be repeated. It is read; only the "
              "review of label errors writes there, into annotation files.")  # fmt: skip
@click.option("--open", "is_opened", is_flag=True, help="Open the page in a browser.")
@options.example(
    "odtk studio", "odtk studio work --root /data/images --open", "odtk studio work --host 0.0.0.0 --token"
)
def studio(folder, port, host, token, root_path, roots, is_opened) -> None:
    """Serve the studio: pages that do what the commands do, on the datasets, projects and runs in FOLDER.

    FOLDER is the current one by default, and is made if it is not there. All in it are plain folders that the commands
    read and write, too; each page says which commands it ran. Trainings are jobs of a queue (`odtk queue list --queue
    FOLDER/queue.db`) and go on when the studio is stopped, by Ctrl-C.
    """
    from odtk.web.packages import require_packages

    require_packages()
    from odtk.web.server import address_for_browser, run
    from odtk.web.workspace import Workspace

    workspace = Workspace(folder, roots)

    def started(listening) -> None:
        click.echo(f"Studio: {listening.address}")
        if is_opened and click.launch(address_for_browser(workspace, listening)) != 0:
            options.log("note: No browser could be opened here; open the address yourself.")
        elif is_opened and listening.token:
            options.log(
                "If the browser shows no studio, open the address above: it was given a file that leads there, and one "
                "from a snap or Flatpak reads no hidden files of your home, and none in other places."
            )
        options.log("Ctrl-C ends it; trainings go on.")

    run(workspace, host=host, port=port, token=token, root=root_path, on_start=started, log=options.log)
    options.log("The studio has ended.")
