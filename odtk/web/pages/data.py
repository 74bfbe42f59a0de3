"""Nothing yet."""

from odtk.web.routing import Pages

pages = Pages()
