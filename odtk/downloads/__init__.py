"""Files from the network: fetched from one of several addresses, resumed, checked and unpacked. No TensorFlow here."""

from odtk.downloads.fetching import Fetched, Timing, Wanted, fetch
from odtk.downloads.unpacking import kind_of_archive, unpack

__all__ = ["Fetched", "Timing", "Wanted", "fetch", "kind_of_archive", "unpack"]
