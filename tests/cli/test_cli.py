"""The command line as scripts see it: exit statuses, JSON on stdout, one line an error."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spinefrac.cli import main, output
from spinefrac.cli.predict import parse_window
from spinefrac.evaluation.baseline_comparison import BASELINES
from spinefrac.training import runs

OOF_KEYS = {
    *("n", "groups", "accuracy", "precision", "recall", "specificity", "f1", "auc"),
    *("average_precision", "brier", "ece", "confusion_matrix", "ci"),
}
PREDICT_KEYS = {
    *("file", "model", "probability", "label", "threshold", "input_check", "milliseconds"),
}


@dataclass(frozen=True)
class Answer:
    """What a process left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def spinefrac(*arguments: object, home: Path) -> Answer:
    done = subprocess.run(
        [sys.executable, "-m", "spinefrac", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "SPINEFRAC_HOME": str(home)},
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Answer(done.returncode, done.stdout, done.stderr)


# --- wrong usage, in this process --------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("bogus", "No such command 'bogus'"),
        ("models", "Missing command"),
        ("predict", "Missing argument 'FILE'"),
        ("predict x.png --bogus", "No such option: --bogus"),
        ("predict x.png --window 500 --heatmap-dir d", "expected CENTER,WIDTH"),
        ("predict x.png --window 500,2000", "give both or neither"),
        ("train folder", "Missing option '--name'"),
        ("train folder --name a --folds 1", "folds must be at least 2"),
        ("train folder --name a --epochs 0", "epochs must be at least 1"),
        ("train folder --name a --epochs many", "'--epochs'"),
        ("train folder --name a --network vgg", "choose one of compact_lite0"),
        ("train folder --name a --size 8", "between 32 and 1024"),
        ("train folder --name a --augmentation wild", "there are off, light, standard, strong"),
        ("train folder --name a --augmentation no/file.yaml", "there is no such file"),
        ("phantom out --difficulty impossible", "'easy', 'standard', 'hard'"),
        ("phantom out --format jpeg", "'png', 'dicom'"),
        ("phantom out --size 100", "512 or 256"),
        ("phantom out --patients 0", "'--patients'"),
    ],
)
def test_wrong_usage_is_status_2_and_one_line(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.startswith("error: ") and stderr.count("\n") == 1
    assert said in stderr and "--help`" in stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["predict", "--help"], ["--version"]])
def test_help_and_version_are_no_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert "spinefrac" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "window"), [("40,400", (40.0, 400.0)), ("-600, 1500", (-600.0, 1500.0))]
)
def test_window_is_center_and_width(text: str, window: tuple[float, float]) -> None:
    assert parse_window(text) == window


@pytest.mark.parametrize("text", ["", "40", "40,0", "40,-1", "nan,400", "40,inf", "1,2,3", "a,b"])
def test_other_windows_are_wrong_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "x.png", "--heatmap-dir", "d", "--window", text]) == 2
    assert "expected CENTER,WIDTH" in capsys.readouterr().err


# --- failures, in this process -----------------------------------------------------------


@pytest.fixture
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


def test_no_models_yet_is_an_empty_list(
    no_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    "arguments", ["predict x.png", "models show nothing", "evaluate nothing ."]
)
def test_missing_model_is_status_1_and_says_what_to_do(
    arguments: str, no_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 1
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.startswith("error: ") and stderr.count("\n") == 1
    assert "spinefrac train" in stderr


def test_folder_that_is_no_data_set_is_status_1(
    no_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (no_models / "empty").mkdir()
    assert main(["train", str(no_models / "empty"), "--name", "a"]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: ") and stderr.count("\n") == 1


def test_file_in_the_way_is_one_line(no_models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (no_models / "out").write_text("here already")
    assert main(["phantom", str(no_models / "out"), "--patients", "2", "--slices", "2"]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: ") and stderr.count("\n") == 1


def test_fault_of_ours_is_one_line_or_a_traceback_on_demand(
    no_models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("spinefrac.store.repository.list_models", broken)
    assert main(["models", "list"]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: RuntimeError: two lines") and stderr.count("\n") == 1
    assert "SPINEFRAC_DEBUG=1" in stderr
    monkeypatch.setenv("SPINEFRAC_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["models", "list"])


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert output.to_one_line("a\x1b[31mred\nb\tc\r") == "a?[31mred b c"


# --- the whole journey, in processes of their own ----------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def phantom(home: Path) -> Path:
    """A phantom of PNG slices, made by the command."""
    answer = spinefrac(
        *("phantom", home / "png", "--patients", 8, "--slices", 3, "--size", 256, "--json"),
        home=home,
    )
    assert answer.status == 0, answer.stderr
    assert answer.json["slices"] == 24
    assert answer.json["fracture"] + answer.json["normal"] == 24
    return home / "png"


@pytest.fixture(scope="module")
def trained(home: Path, phantom: Path) -> Answer:
    """The answer of a training command on that phantom."""
    (home / "turns.yaml").write_text("rotation: {range: [1, 3], probability: 0.5}\n")
    answer = spinefrac(
        *("train", phantom, "--name", "tiny", "--folds", 2, "--epochs", 2, "--size", 32),
        *("--augmentation", home / "turns.yaml"),
        *("--workers", 1, "--batch-size", 8, "--note", "made by a test", "--json"),
        home=home,
    )
    assert answer.status == 0, answer.stderr
    return answer


@pytest.mark.slow
def test_train_gives_the_agreed_keys(trained: Answer) -> None:
    result = trained.json
    assert set(result) == {"model", "run", "seconds", "folds", "oof", "baselines", "unit"}
    assert result["unit"] == "slices"
    assert {c["baseline"] for c in result["baselines"]["comparisons"]} == set(BASELINES)
    assert result["model"] == "tiny" and result["run"].startswith("tiny")
    assert [fold["fold"] for fold in result["folds"]] == [0, 1]
    assert all(set(fold) == {"fold", "epochs", "auc", "seconds"} for fold in result["folds"])
    assert all(fold["epochs"] == 2 for fold in result["folds"])
    assert set(result["oof"]) >= OOF_KEYS
    (tn, fp), (fn, tp) = result["oof"]["confusion_matrix"]
    assert tn + fp + fn + tp == result["oof"]["n"] == 24
    assert result["oof"]["groups"] == 8
    assert "fold 2/2 epoch 2/2: loss " in trained.stderr
    assert "Left out 1 folder that is not a class folder." in trained.stderr
    assert "oneDNN" not in trained.stderr and "absl" not in trained.stderr


@pytest.mark.slow
def test_runs_are_listed_shown_and_followed(home: Path, trained: Answer) -> None:
    (entry,) = spinefrac("runs", "list", "--json", home=home).json
    assert entry["id"] == trained.json["run"] and entry["state"] == "done"
    shown = spinefrac("runs", "show", "tiny", "--json", home=home).json
    assert [fold["state"] for fold in shown["folds"]] == ["done", "done"]
    assert [len(fold["history"]) for fold in shown["folds"]] == [2, 2]
    assert "fold  state" in spinefrac("runs", "show", "tiny", home=home).stdout
    followed = spinefrac("runs", "follow", "tiny", "--json", home=home)
    assert followed.json == trained.json
    assert "fold 2/2 epoch 2/2: loss " in followed.stderr
    for command, said in (("cancel", "is done already"), ("resume", "is done: train again")):
        refused = spinefrac("runs", command, "tiny", home=home)
        assert (refused.status, refused.stdout) == (1, "") and said in refused.stderr
    missing = spinefrac("runs", "show", "nothing", home=home)
    assert missing.status == 1 and "There is no run 'nothing'" in missing.stderr


@pytest.mark.slow
def test_a_name_in_use_is_refused_before_training(
    home: Path, phantom: Path, trained: Answer
) -> None:
    again = spinefrac("train", phantom, "--name", "tiny", "--json", home=home)
    assert (again.status, again.stdout) == (1, "")
    assert again.stderr.startswith("error: ") and again.stderr.count("\n") == 1


@pytest.mark.slow
def test_models_list_and_show(home: Path, trained: Answer) -> None:
    (entry,) = spinefrac("models", "list", "--json", home=home).json
    assert entry["id"] == "tiny" and entry["default"] is True
    assert entry["note"] == "made by a test"
    assert entry["auc"] == trained.json["oof"]["auc"]
    card = spinefrac("models", "show", "tiny", "--json", home=home).json
    assert card["metrics"] == trained.json["oof"]
    augmented = card["settings"]["augmentation"]
    assert (augmented["rotation"], augmented["rotation_probability"]) == ([1, 3], 0.5)
    assert augmented["flip"] is False and augmented["noise"] == 0
    shown = spinefrac("models", "show", "tiny", home=home)
    assert f"{entry['auc']:.3f}" in shown.stdout and "made by a test" in shown.stdout


@pytest.mark.slow
def test_damaged_model_is_listed_as_such(home: Path, trained: Answer, tmp_path: Path) -> None:
    damaged = tmp_path / "models/broken"
    damaged.mkdir(parents=True)
    for path in (home / "models/tiny").iterdir():
        (damaged / path.name).write_bytes(path.read_bytes())
    (damaged / "serving.onnx").write_bytes(b"something else")
    listed = spinefrac("models", "list", "--json", home=tmp_path)
    assert listed.status == 0
    assert [set(entry) for entry in listed.json] == [{"id", "error"}]
    refused = spinefrac("predict", __file__, "--model", "broken", home=tmp_path)
    assert refused.status == 1 and "serving.onnx" in refused.stderr


@pytest.mark.slow
def test_predict_answers_what_can_be_read_and_reports_the_rest(
    home: Path, phantom: Path, trained: Answer, tmp_path: Path
) -> None:
    dicom = spinefrac(
        *("phantom", tmp_path / "dcm", "--patients", 2, "--slices", 1, "--size", 256),
        *("--format", "dicom", "--json"),
        home=home,
    )
    assert dicom.status == 0, dicom.stderr
    picture = sorted(phantom.glob("fracture/*.png"))[0]
    twin = tmp_path / picture.name  # another file of the same name
    twin.write_bytes(sorted(phantom.glob("normal/*.png"))[0].read_bytes())
    slice_ = next((tmp_path / "dcm").glob("*/*.dcm"))
    garbage = tmp_path / "garbage.png"
    garbage.write_bytes(b"\x89PNG but not really")
    maps = tmp_path / "maps"
    files = [picture, garbage, slice_, twin, tmp_path / "missing.dcm"]
    answer = spinefrac(
        *("predict", *files, "--model", "tiny", "--heatmap-dir", maps, "--window=40,400"),
        "--json",
        home=home,
    )
    assert answer.status == 1
    assert [entry["file"] for entry in answer.json] == [str(file) for file in files]
    assert [("error" in entry) for entry in answer.json] == [False, True, False, False, True]
    assert sum(line.startswith("error: ") for line in answer.stderr.splitlines()) == 2
    for entry in answer.json:
        if "error" in entry:
            assert set(entry) == {"file", "error"} and "\n" not in entry["error"]
            continue
        # A verdict other than ok goes with every answer, and this tiny phantom has one.
        assert set(entry) == PREDICT_KEYS | {"heatmap", "audit_verdict"}
        assert 0 <= entry["probability"] <= 1
        assert (entry["label"] == "fracture") == (entry["probability"] >= entry["threshold"])
        assert set(entry["input_check"]) == {"score", "typical", "reason", "grade", "nearest"}
        overlay = cv2.imdecode(
            np.frombuffer(Path(entry["heatmap"]).read_bytes(), np.uint8), cv2.IMREAD_COLOR
        )
        assert overlay.shape == (256, 256, 3)
    written = [entry["heatmap"] for entry in answer.json if "heatmap" in entry]
    assert len(set(written)) == len(list(maps.iterdir())) == 3


@pytest.mark.slow
def test_predict_says_the_same_to_people_and_that_it_is_no_device(
    home: Path, phantom: Path, trained: Answer
) -> None:
    picture = next(phantom.glob("normal/*.png"))
    (entry,) = spinefrac("predict", picture, "--json", home=home).json
    told = spinefrac("predict", picture, home=home)
    assert told.status == 0
    assert f"probability {entry['probability']:.3f}" in told.stdout
    assert entry["label"] in told.stdout and "Not a medical device" in told.stderr


@pytest.mark.slow
def test_predict_imports_neither_tensorflow_nor_the_heavy_rest(
    home: Path, phantom: Path, trained: Answer
) -> None:
    script = (
        "import sys; from spinefrac.cli import main; assert main(sys.argv[1:]) == 0; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    picture = next(phantom.glob("normal/*.png"))
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", picture, "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "SPINEFRAC_HOME": str(home)},
        check=True,
    )
    loaded = set(done.stderr.split())
    heavy = {"tensorflow", "keras", "sklearn", "pandas", "scipy", "streamlit", "plotly", "rich"}
    assert not loaded & heavy
    assert "onnxruntime" in loaded


@pytest.mark.slow
def test_evaluate_gives_the_agreed_keys_and_warns_of_its_own_training_slices(
    home: Path, phantom: Path, trained: Answer, tmp_path: Path
) -> None:
    own = spinefrac("evaluate", "tiny", phantom, "--json", home=home)
    assert own.status == 0 and set(own.json) >= OOF_KEYS
    assert "warning: the model was trained on these" in own.stderr
    fresh = tmp_path / "fresh"
    made = spinefrac(
        *("phantom", fresh, "--patients", 4, "--slices", 2, "--size", 256, "--seed", 8),
        home=home,
    )
    assert made.status == 0, made.stderr
    answer = spinefrac("evaluate", "tiny", fresh, "--json", home=home)
    assert answer.status == 0 and answer.json["n"] == 8 and answer.json["groups"] == 4
    assert answer.json["threshold"] == trained.json["oof"]["threshold"]
    assert "warning" not in answer.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
@pytest.mark.parametrize("moment", ["phantom.json", "*/*.png"])
@pytest.mark.parametrize("delay", [0.0, 0.3, 0.6])
def test_interrupt_ends_quickly_with_130_and_no_traceback(
    home: Path, tmp_path: Path, moment: str, delay: float
) -> None:
    """Workers start after phantom.json appears: an interrupt must not catch them importing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "spinefrac", "phantom", tmp_path / "big", "--patients", "500"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "SPINEFRAC_HOME": str(home)},
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(f"big/{moment}")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == "" and "Traceback" not in stderr and "interrupted" in stderr


def train_long(phantom: Path, epochs: int = 60) -> list[str]:
    return [
        *(sys.executable, "-m", "spinefrac", "train", str(phantom), "--name", "long"),
        *("--folds", "2", "--epochs", str(epochs), "--size", "32", "--workers", "1"),
        *("--network", "compact"),  # heads are fitted too quickly to be interrupted
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_interrupted_training_is_cancelled_and_goes_on_with_resume(
    phantom: Path, tmp_path: Path
) -> None:
    """Nobody can be asked here, so the interrupt cancels."""
    home = tmp_path / "home"
    process = subprocess.Popen(
        train_long(phantom),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "SPINEFRAC_HOME": str(home)},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 3/60" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130 and stdout == "" and "Traceback" not in stderr
    assert "runs resume long-" in stderr
    followed = spinefrac("runs", "follow", "long", home=home)
    assert followed.status == 1 and "was cancelled" in followed.stderr
    other = spinefrac("train", "--resume", "long", "--name", "else", home=home)
    assert other.status == 2 and "makes the model long" in other.stderr
    resumed = spinefrac("train", "--resume", "long", "--json", home=home)
    assert resumed.status == 0, resumed.stderr
    assert [fold["epochs"] for fold in resumed.json["folds"]] == [60, 60]
    assert "resumed from checkpoint, after epoch" in resumed.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="terminals are POSIX")
def test_in_a_terminal_ctrl_c_asks_once(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer decides, not what each command does where nobody can be asked."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    interrupt_in_terminal(train_long(phantom, epochs=400), answer=b"s")
    run = runs.get_run("long")
    assert run.is_open and not run.cancelling
    interrupt_in_terminal(
        [sys.executable, "-m", "spinefrac", "runs", "follow", "long"], answer=b"c"
    )
    deadline = time.monotonic() + 120
    while runs.get_runner_state() is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert runs.get_run("long").state == "cancelled"


def interrupt_in_terminal(command: list[str], answer: bytes) -> None:
    """Run a command in a terminal of its own, press Ctrl-C, and answer its one question."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.execv(command[0], command)
    said = read_until(terminal, b"AUC 0.")  # the bars are there
    os.write(terminal, b"\x03")
    said += read_until(terminal, b"[s/c]")
    os.write(terminal, answer + b"\n")
    said += read_until(terminal, None)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 130 and b"Traceback" not in said
    assert said.count(b"[s/c]") == 1 and b"\xe2" in said  # a bar was drawn


def read_until(terminal: int, wanted: bytes | None) -> bytes:
    """Read what a program writes on its terminal until it says something, or ends."""
    read, deadline = b"", time.monotonic() + 180
    while wanted is None or wanted not in read:
        assert time.monotonic() < deadline, read
        try:
            read += os.read(terminal, 4096)
        except OSError:  # Linux says so when the other side is closed
            assert wanted is None, read
            break
    return read


@pytest.mark.slow
def test_reader_that_goes_away_makes_no_noise(home: Path, trained: Answer) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "spinefrac", "models", "show", "tiny", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SPINEFRAC_HOME": str(home)},
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(60)
