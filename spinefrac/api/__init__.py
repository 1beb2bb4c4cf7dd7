"""REST: the routes under ``/api/v1``, one module a resource, and what guards every request.

`application.build_api` makes the FastAPI application that ``server.py`` mounts beside the pages.
"""
