"""The packages of the studio, which are an extra of odtk's."""

import importlib.util

from odtk.errors import OdtkError

NEEDED = ("starlette", "uvicorn", "jinja2", "python_multipart")
"""Names of modules."""


def require_packages() -> None:
    """Raises OdtkError if one is missing."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise OdtkError(f"The studio needs {', '.join(missing)}. Install it: pip install 'odtk[studio]'")
