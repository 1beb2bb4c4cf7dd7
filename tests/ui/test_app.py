"""Every page run as Streamlit runs it, without a browser: what it shows and what it survives."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.records import NOT_A_MEDICAL_DEVICE
from tests.support.app import html, run_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("predict", "train", "augmentation", "metrics", "models", "help")


pytestmark = pytest.mark.usefixtures("from_checkout")


def test_app_starts_on_upload_and_predict(empty_home: Path) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30).run()
    assert not app.exception
    assert "Upload &amp; Predict" in html(app)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_that_it_is_not_a_medical_device(page: str, empty_home: Path) -> None:
    assert NOT_A_MEDICAL_DEVICE in html(run_page(page))


@pytest.mark.parametrize("page", ["predict", "metrics", "models"])
def test_without_a_model_a_page_says_how_to_make_one(page: str, empty_home: Path) -> None:
    app = run_page(page)
    assert "no saved model yet" in app.info[0].value
    assert any("spinefrac train my-slices" in block.value for block in app.code)


@pytest.mark.parametrize("page", ["predict", "metrics", "models"])
def test_a_damaged_model_is_shown_as_such(page: str, empty_home: Path, demonstration: Path) -> None:
    copy = shutil.copytree(demonstration, empty_home / "models" / "spoilt")
    content = bytearray((copy / "serving.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "serving.onnx").write_bytes(content)
    app = run_page(page)
    told = "\n".join([html(app), *(error.value.replace("\\", "") for error in app.error)])
    assert "serving.onnx does not match its SHA-256" in told
    if page == "predict":
        assert app.selectbox(key="model").options == ["spoilt · damaged"]


@pytest.mark.parametrize("page", ["predict", "metrics", "models"])
def test_a_default_that_is_gone_leaves_the_others_usable(
    page: str, empty_home: Path, demonstration: Path
) -> None:
    shutil.copytree(demonstration, empty_home / "models" / "another")
    (empty_home / "models" / "default.txt").write_text("gone\n")
    app = run_page(page)
    assert "gone" in app.error[0].value
    chosen = [name for widget in app.multiselect for name in widget.value]
    assert "another" in html(app) + "".join([block.value for block in app.code] + chosen)


def test_metrics_are_those_of_the_card(demonstration: Path) -> None:
    from spinefrac.store import repository

    metrics = repository.load("phantom-demo").metrics
    app = run_page("metrics")
    cells = " ".join(button.label for button in app.button)
    told = html(app)
    for row in metrics.confusion_matrix:
        for count in row:
            assert f"{count:,}" in cells
    assert f'"value">{metrics.auc:.2f}</span>' in told


def test_the_server_process_never_imports_tensorflow(demonstration: Path) -> None:
    script = (
        "import sys\n"
        "from tests.support import app as pages\n"
        f"for page in {PAGES!r}:\n"
        "    app = pages.page(page, 30).run()\n"
        "    assert not app.exception\n"
        "    if page == 'predict':\n"
        "        app.button(key='sample-0').click().run()\n"
        "        assert not app.exception\n"
        "found = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "sys.exit(f'imported: {found}' if found else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
