"""Pages and REST in one process, for ``uvicorn server:app`` in a checkout."""

from spinefrac.server import app

__all__ = ["app"]
