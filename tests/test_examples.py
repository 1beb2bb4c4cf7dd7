"""Every example runs as it stands; the notebook has the cells of its script."""

import runpy
import shutil
import sys
from pathlib import Path

import pytest

from docs import write_notebook

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the examples leave what later ones use, and a home with the model."""
    folder = tmp_path_factory.mktemp("examples")
    home = folder / "home" / "models"
    shutil.copytree(ROOT / "models" / "phantom-demo", home / "phantom-demo")
    return folder


@pytest.fixture
def run(workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run_example(name: str) -> str:
        monkeypatch.chdir(workplace)
        monkeypatch.setenv("SPINEFRAC_HOME", str(workplace / "home"))
        monkeypatch.setattr(sys, "argv", [name])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_example


def test_the_notebook_is_the_script() -> None:
    written = write_notebook.NOTEBOOK.read_text("utf-8")
    made = write_notebook.make_notebook(write_notebook.SCRIPT.read_text("utf-8"))
    assert written == made, "run `make docs` and commit what it writes"


def test_every_example_is_listed_and_tested() -> None:
    listed, tested = (EXAMPLES / "README.md").read_text("utf-8"), Path(__file__).read_text("utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f"`{path.name}`" in listed
        assert f'run("{path.name}")' in tested or path.name == "rest_client.py"


@pytest.mark.slow
def test_training_examples_in_their_order(run, workplace: Path) -> None:
    told = run("seven_steps.py")
    assert "input: (64, 64, 1)" in told and "8 patients" in told
    assert "(probability of fracture" in told.splitlines()[-1]
    assert (workplace / "fracture_detection_model.keras").is_file()
    assert "out-of-fold AUC" in run("own_network.py")
    assert (workplace / "own_network.keras").is_file()
    assert "difference of the AUC" in run("compare_models.py")


@pytest.mark.slow
def test_from_dicom_to_report(run, workplace: Path) -> None:
    assert "wrote report.pdf" in run("dicom_to_report.py")
    assert (workplace / "report.pdf").read_bytes().startswith(b"%PDF")
