"""The HTML of every page names the server, and its script is one that the policy allows."""

import base64
import hashlib
import re

import pytest
from starlette.applications import Starlette

from spinefrac.api import front_page
from spinefrac.api.guard.headers import describe_page_policy
from tests.support import rest

HTML = "<html><head><script>a()</script></head></html>"


def test_the_first_script_names_the_server_and_the_policy_allows_it() -> None:
    html = front_page.name_server(HTML)
    first, second = re.findall("<script>(.*?)</script>", html)
    assert "BACKEND_BASE_URL" in first and second == "a()"
    digest = base64.b64encode(hashlib.sha256(first.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in describe_page_policy(html)


def test_html_of_another_kind_is_noticed() -> None:
    with pytest.raises(ValueError, match="without it"):
        front_page.name_server("<p>")


def test_the_apps_own_address_and_each_page_answer_with_it() -> None:
    app = Starlette(routes=front_page.make_routes(HTML, ["predict"]))
    with rest.serve(app) as client:
        for path, status in (("/", 200), ("/predict", 200), ("/predict?a=b", 200), ("/other", 404)):
            answer = client.get(path)
            assert answer.status == status and (answer.text == HTML) == (status == 200)
        assert client.get("/predict").headers["cache-control"] == "no-cache"
        assert client.ask("HEAD", "/predict").status == 200
        assert client.ask("POST", "/predict").status == 405
