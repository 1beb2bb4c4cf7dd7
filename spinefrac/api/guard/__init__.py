"""What every request passes before pages or routes see it: ASGI middleware, one job a module."""
