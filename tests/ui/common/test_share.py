"""Links to views, their QR codes, and links for guests."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from spinefrac.access import audit_log, users
from spinefrac.access.policy import LOCAL, Role
from spinefrac.access.users import Kind
from spinefrac.ui.common import share
from tests.support.app import click_sample, html, page, sign_in

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_a_link_opens_the_view() -> None:
    link = share.make_link("metrics", {"models": ["a", "b"], "side": "Table"})
    assert link == "http://127.0.0.1:8501/metrics?models=a&models=b&side=Table"


def test_the_qr_code_says_the_link() -> None:
    from xml.etree import ElementTree

    source = re.search(r'src="([^"]+)"', share.render_qr_code("https://spine.example/?a=1&b=2"))
    assert source is not None and source[1].startswith("data:image/svg+xml")
    text = unquote(source[1].partition(",")[2].replace("&#34;", '"').replace("&amp;", "&"))
    image = draw_qr_code(ElementTree.fromstring(text))
    found, _, _ = cv2.QRCodeDetector().detectAndDecode(image)
    assert found == "https://spine.example/?a=1&b=2"


def draw_qr_code(root) -> np.ndarray:
    """Draw the horizontal strokes of the picture, as a browser does."""
    side, scale = int(float(root.attrib["width"])), 8
    image = np.full((side * scale, side * scale), 255, np.uint8)
    strokes = [node.attrib["d"] for node in root.iter() if "stroke" in node.attrib]
    x = y = 0.0
    for letter, numbers in re.findall(r"([MmHh])([^MmHh]*)", "".join(strokes)):
        values = [float(value) for value in re.findall(r"-?[\d.]+", numbers)]
        if letter == "M":
            x, y = values
        elif letter == "m":
            x, y = x + values[0], y + values[1]
        else:
            end = values[0] if letter == "H" else x + values[0]
            top = int((y - 0.5) * scale)
            image[top : top + scale, int(x * scale) : int(end * scale)] = 0
            x = end
    return image


def test_a_model_is_shared_with_the_team(own_home: Path) -> None:
    users.add("vic", Role.VIEWER)
    app = sign_in(page("models"), "vic")
    app.query_params["model"] = "phantom-demo"
    app.run()
    app.button(key="share-model").click().run()
    assert not app.exception
    assert "http://127.0.0.1:8501/models?model=phantom-demo" in [code.value for code in app.code]
    assert "QR code of the link" in html(app)
    assert app.button(key="guest-create").disabled  # a viewer invites nobody


def test_a_guest_predicts_with_one_model_and_nothing_is_kept(own_home: Path) -> None:
    users.add("kim", Role.TRAINER)
    app = sign_in(page("models"), "kim")
    app.query_params["model"] = "phantom-demo"
    app.run()
    app.button(key="share-model").click().run()
    app.button(key="share-model").click()
    app.button(key="guest-create").click().run()
    (link,) = [code.value for code in app.code if "guest=" in code.value]
    token = link.partition("guest=")[2]
    guest = users.check_token(token, Kind.GUEST)
    assert guest is not None and guest.model == "phantom-demo"
    assert timedelta(hours=23) < guest.expires_at - datetime.now(UTC) < timedelta(hours=25)
    assert audit_log.list_entries()[0].action == "invite-guest"

    opened = page("predict")
    opened.query_params["guest"] = token
    click_sample(opened.run())
    assert "Probability of fracture" in html(opened)
    assert "History and feedback" not in [expander.label for expander in opened.expander]
    assert not (own_home / "history.sqlite").exists()


def test_a_guest_of_another_model_sees_none(own_home: Path) -> None:
    users.add("kim", Role.TRAINER)
    opened = page("predict")
    opened.query_params["guest"] = users.issue_guest("another", LOCAL)
    opened.run()
    assert not opened.exception and not opened.get("file_uploader")
    assert "phantom-demo" not in html(opened)
