"""A model is trained on a folder of invented surnames; none of them is in anything that leaves.

Every kind of output is written by the real program and searched to the last byte: ZIPs are
unpacked, PDFs decompressed, DICOM files, SQLite files and the metadata of pictures read.
"""

import json
import os
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from spinefrac import imaging
from spinefrac.cli import main
from spinefrac.exchange import mlflow_logging
from spinefrac.inference import history
from spinefrac.inference.predictor import get_predictor
from spinefrac.records import Preprocessing
from spinefrac.store import repository
from spinefrac.training import runs
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.settings import TrainingSettings
from tests.support.look_inside import find_names, read_tree
from tests.support.surnames import SurnameFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="no control characters in file names"),
]

SEED = 12
#: Quick: what a network learns does not matter here.
SETTINGS = TrainingSettings(
    folds=2,
    epochs=1,
    batch_size=8,
    workers=1,
    line_steps=0,
    preprocessing=Preprocessing(size=32, bone_crop=False),
    augmentation=AugmentationConfig(),
)


@dataclass
class Outputs:
    """What was written, by kind of output: file name to bytes."""

    names: list[str]
    written: dict[str, dict[str, bytes]]
    screen: dict[str, str]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Train, then write every kind of output."""
    place = tmp_path_factory.mktemp("names")
    slices = SurnameFolder(place / "data", SEED)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SPINEFRAC_HOME": place / "home", "SPINEFRAC_HISTORY": "on",
            "SPINEFRAC_MLFLOW_URI": "", "MLFLOW_ALLOW_FILE_STORE": "true",
        }.items():  # fmt: skip
            patch.setenv(name, str(value))
        patch.chdir(place)
        return _Writer(place, slices).write_all()


class _Writer:
    """Runs the program and collects what it wrote."""

    def __init__(self, place: Path, slices: SurnameFolder) -> None:
        self.home, self.out, self.slices = place / "home", place / "out", slices
        self.written: dict[str, dict[str, bytes]] = {}
        self.screen: dict[str, str] = {}
        self.out.mkdir()

    def write_all(self) -> Outputs:
        self.train()
        self.share_model()
        self.predict()
        self.evaluate()
        self.fail()
        self.collect_home()
        return Outputs(self.slices.names, self.written, self.screen)

    def run(self, kind: str, *arguments: object, status: int = 0) -> str:
        """Run a command in this process; keep what it printed as an output of that kind."""
        import contextlib
        import io

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            found = main([str(argument) for argument in arguments])
        assert found == status, (arguments, err.getvalue())
        self.screen[kind] = self.screen.get(kind, "") + out.getvalue() + err.getvalue()
        return out.getvalue()

    def leave(self, kind: str, name: str, content: bytes | str) -> None:
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        self.written.setdefault(kind, {})[name] = data

    def train(self) -> None:
        runs.submit(runs.RunRequest(self.slices.root, "trained", SETTINGS, list_only=True))
        self.leave("result of training", "stdout", self.run("train", "runs", "follow", "trained"))
        self.leave("result of training", "stderr", self.screen["train"])

    def share_model(self) -> None:
        self.leave("models show", "json", self.run("show", "models", "show", "trained", "--json"))
        card = self.run("show", "models", "show", "trained", "--card")
        self.leave("model card as Markdown", "MODEL_CARD.md", card)
        self.leave("models show", "list", self.run("show", "models", "list", "--json"))
        self.run("export", "models", "export", "trained", "--out", self.out / "trained.zip")
        self.leave("export", "trained.zip", (self.out / "trained.zip").read_bytes())
        self.run("push", "models", "push", "trained", self.out / "far")
        self.written["push"] = read_tree(self.out / "far")
        pytest.importorskip("mlflow")
        address = (self.out / "mlflow").as_uri()
        mlflow_logging.log_model(repository.load("trained"), address)
        self.written["MLflow"] = read_tree(self.out / "mlflow")

    def predict(self) -> None:
        """Predict a slice whose header is full of names, and a folder."""
        file = self.slices.dicom_file
        for end in ("html", "pdf", "json", "zip"):
            path = self.out / f"prediction.{end}"
            self.run("predict", "predict", file, "--model", "trained", "--report", path)
            kind = "DICOM results" if end == "zip" else f"report on a prediction, {end}"
            self.leave(kind, path.name, path.read_bytes())
        self.run("predict", "predict", self.slices.root, "--model", "trained", status=1)
        self.run("audit", "audit", self.slices.root)
        predictor = get_predictor("trained")
        ct = imaging.read(file)
        entry = history.save_prediction(ct, predictor.predict(ct), predictor.model.card_hash)
        history.save_feedback(entry, "agree")
        for end in ("csv", "json"):
            path = self.out / f"history.{end}"
            self.run("history", "history", "--out", path)
            self.leave("history, exported", path.name, path.read_bytes())
        self.run("deidentify", "deidentify", self.slices.root, self.out / "copies")
        self.written["deidentify"] = read_tree(self.out / "copies")

    def evaluate(self) -> None:
        """Evaluate on a folder with a table of names, and write the reports on the model."""
        folder = self.out.parent / "data" / self.slices.take()
        column = self.slices.write_table(folder)
        self.run("evaluate", "evaluate", "trained", folder, "--group-by", f"csv:{column}")
        data = self.slices.root
        for end in ("html", "pdf"):
            path = self.out / f"report.{end}"
            self.run("report", "report", "trained", "--out", path, "--data", data)
            self.leave(f"report on a model, {end}", path.name, path.read_bytes())
        card = self.run("show", "models", "show", "trained", "--card")
        self.leave("model card as Markdown", "with an evaluation", card)

    def fail(self) -> None:
        """Have a run fail on files that cannot be read, whose error names one."""
        folder = self.out.parent / "data" / self.slices.take()
        for label, name in (("fracture", self.slices.take()), ("normal", self.slices.take())):
            (folder / label).mkdir(parents=True)
            (folder / label / f"{name}_1.png").write_bytes(b"no slice")
        runs.submit(runs.RunRequest(folder, "failing", SETTINGS, list_only=True))
        self.run("failing run", "runs", "follow", "failing", status=1)
        self.leave("error of a run", "stderr", self.screen["failing run"])
        assert runs.get_run("failing").error, "it was to fail"

    def collect_home(self) -> None:
        """Collect what is in the home outside of ``runs``, and the messages and logs in there."""
        for path, content in read_tree(self.home, without=("runs",)).items():
            self.leave(path.split("/")[0], path, content)
        self.leave("runner.log", "runner.log", (self.home / "runs/runner.log").read_bytes())
        with sqlite3.connect(self.home / "runs/spinefrac.db") as database:
            rows = [
                *database.execute("SELECT kind, message FROM events"),
                *database.execute("SELECT error, result FROM runs"),
            ]
        self.leave("messages of runs", "events", json.dumps(rows, ensure_ascii=False))


def test_no_surname_is_in_anything_that_leaves(outputs: Outputs) -> None:
    found = {
        (kind, name, where)
        for kind, files in outputs.written.items()
        for path, content in files.items()
        for name, where in find_names(outputs.names, os.fsencode(path) + b"\n", path)
        + find_names(outputs.names, content, path)
    }
    assert not found, (sorted({kind for kind, *_ in found}), sorted(found)[:20])
    assert len(outputs.written) >= 12, sorted(outputs.written)
    assert all(any(files.values()) for files in outputs.written.values())


def test_the_search_finds_a_surname_in_every_kind_of_container(outputs: Outputs) -> None:
    """What is not found above is not there: the same search finds what is planted."""
    import io
    import zipfile

    from PIL import Image, PngImagePlugin
    from reportlab.pdfgen import canvas

    name = outputs.names[0]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.json", json.dumps([name]))
    info = PngImagePlugin.PngInfo()
    info.add_text("Patient", name, zip=True)
    picture, document = io.BytesIO(), io.BytesIO()
    Image.new("L", (4, 4)).save(picture, "PNG", pnginfo=info)
    pdf = canvas.Canvas(document)
    pdf.setTitle(name)
    pdf.save()
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE t (c)")
    database.execute("INSERT INTO t VALUES (?)", (name,))
    database.commit()
    for content in (
        buffer.getvalue(),
        picture.getvalue(),
        document.getvalue(),
        database.serialize(),
    ):
        assert find_names([name], content, "planted")


def test_the_names_are_still_here_for_the_user(outputs: Outputs) -> None:
    """Nothing was lost: the audit names files on the user's own screen."""
    assert any(name in outputs.screen["audit"] for name in outputs.names)


def test_no_control_character_reaches_the_terminal(outputs: Outputs) -> None:
    printed = "".join(outputs.screen.values())
    assert "?]0;?" in printed, "the file with an escape sequence in its name was printed"
    assert not {sign for sign in printed if not sign.isprintable()} - {"\n"}
