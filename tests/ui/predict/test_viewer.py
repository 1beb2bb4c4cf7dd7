"""The files of the viewer's components agree with each other."""

from __future__ import annotations

import re

import pytest

from spinefrac.ui.predict import viewer


@pytest.mark.parametrize("name", ["viewer", "strip"])
def test_every_element_that_the_script_looks_for_exists(name: str) -> None:
    html, css, script = (
        (viewer._ASSETS_DIR / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    classes = {word for found in re.findall(r'class="([^"]+)"', html) for word in found.split()}
    wanted = set(re.findall(r'querySelector\("\.([\w-]+)"\)', script))
    assert wanted and wanted <= classes
    # Colours come from the style sheet of the pages, through its properties.
    assert not re.findall(r"#[0-9a-f]{6}", css)
