"""`python -m odtk` is `odtk`."""

from odtk.cli.main import main

if __name__ == "__main__":
    main()
