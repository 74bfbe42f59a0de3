"""A worker in the background; see odtk.queue.daemon."""

from odtk.queue.daemon import main

if __name__ == "__main__":
    main()
