"""What a wheel carries: every file that the package needs, so that an installed app runs."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "spinefrac"
FILES = {
    path
    for path in PACKAGE.rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
}

#: Draws each page of the installed package and predicts on a sample.
START = """
import spinefrac
from streamlit.testing.v1 import AppTest

print(spinefrac.__file__)
for name in ("predict", "train", "augmentation", "metrics", "models"):
    script = f"from spinefrac.ui.app import run\\n\\nrun({name!r})\\n"
    app = AppTest.from_string(script, default_timeout=120).run()
    assert len(app.main) and not app.exception and not app.error, (name, app.exception, app.error)
    if name == "predict":
        next(button for button in app.button if "sample" in (button.key or "")).click().run()
        assert not app.exception and not app.error, (app.exception, app.error)
        assert any("Probability of fracture" in str(html.proto) for html in app.get("html"))
"""


def test_package_data_names_every_file() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = config["tool"]["setuptools"]["package-data"]["spinefrac"]
    carried = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    assert len(FILES) > 20 and PACKAGE / "py.typed" in carried
    assert not {str(path.relative_to(ROOT)) for path in FILES - carried}


@pytest.mark.slow
def test_the_app_runs_from_a_wheel(tmp_path: Path) -> None:
    source, target, home = tmp_path / "source", tmp_path / "target", tmp_path / "home"
    source.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, source / "spinefrac", ignore=ignore)
    shutil.copytree(ROOT / "models" / "phantom-demo", home / "models" / "phantom-demo")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # It listens on this machine only: on any other address, people sign in first.
    shutil.copytree(ROOT / ".streamlit", home / ".streamlit")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*install, "--no-build-isolation", "--target", str(target), str(source)], check=True
    )
    done = subprocess.run(
        [sys.executable, "-c", START],
        cwd=home,
        env={
            "PATH": "",
            "PYTHONPATH": str(target),
            "SPINEFRAC_HOME": str(home),
            "SPINEFRAC_HISTORY": "off",
            "HOME": str(home),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (target / "spinefrac" / "py.typed").is_file()
    assert done.stdout.strip() == str(target / "spinefrac" / "__init__.py")
