"""The ASGI application of pages and REST; as a process it is tested by tests/cli/test_serve.py."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SHOW_ROUTES = """
import server
from spinefrac import server as packaged
from spinefrac.api.application import PREFIX

print(server.app is packaged.app, PREFIX in [route.path for route in packaged.app._user_routes])
"""


def test_the_file_of_a_checkout_is_the_application_of_the_package() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW_ROUTES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True", "True"], done.stderr
