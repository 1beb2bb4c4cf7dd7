"""The table of figures: what counts as reached, and what happens when one cannot be measured."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import _results, real_slices
from benchmarks.__main__ import meets_target

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("value", "target", "good"),
    [
        ("0.91", "0.90", True),
        ("0.89", "at least 0.90", False),
        ("0.97 (0.96 to 0.98)", "0.97", True),
        ("0.30", "under 0.65", True),
        ("0.66", "under 0.65", False),
        ("82 %", "80 %", True),
        ("95.1 %", "92-98 %", True),
        ("99 %", "92-98 %", False),
        ("1.2 s", "1.5 s", True),
        ("1.6 s", "1.5 s", False),
        ("850 ms", "1.5 s", True),
        ("250 s", "15 min", True),
        ("1000 s", "15 min", False),
        ("26.0 ms", "25 ms", False),
        ("18 ms", "20 ms a model (100 ms for 5)", True),
        ("310 MB", "300 MB", False),
        ("1,480", "at least 1,000", True),
        ("0.7", "reported", None),
        ("0.7", "15 min", None),
        ("failed", "0.90", None),
    ],
)
def test_direction_follows_from_unit_and_words(value: str, target: str, good: bool | None) -> None:
    assert meets_target(value, target) is good


def collector(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the collector in a folder with two benchmarks of its own, one of which fails."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name in ("__main__.py", "_results.py"):
        (folder / name).write_text((ROOT / "benchmarks" / name).read_text("utf-8"))
    (folder / "works.py").write_text("def measure():\n    return [('speed', '2 s', '1 s')]\n")
    (folder / "fails.py").write_text("def measure():\n    raise ValueError('no model')\n")
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_that_fails_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    done = collector(tmp_path)
    assert done.returncode == 1
    head, fails, works = done.stdout.splitlines()
    assert head.split() == ["figure", "measured", "target"]
    assert "failed: ValueError: no model" in fails
    assert works.split() == ["speed", "2", "s", "1", "s", "short"]


def test_a_choice_runs_alone(tmp_path: Path) -> None:
    done = collector(tmp_path, "works")
    assert done.returncode == 0 and "fails" not in done.stdout


def test_what_was_measured_is_kept_beside_what_was_before(tmp_path: Path, monkeypatch) -> None:
    done = collector(tmp_path, "--save")
    assert done.returncode == 1
    (path,) = (tmp_path / "benchmarks" / "results").glob("20*.json")
    found = _results.read(path)
    assert dict(found.rows) == {"works": [["speed", "2 s", "1 s", "short"]]}  # not what failed
    assert found.seconds["works"] >= 0 and found.cores >= 1
    monkeypatch.setattr(_results, "FOLDER", path.parent)
    monkeypatch.setattr(_results.time, "strftime", lambda form: found.date)
    assert _results.add("other", [("a | b", "3", "4", "")], 1.0) == path
    assert list(_results.read(path).rows) == ["works", "other"]


def test_unknown_name_is_wrong_usage(tmp_path: Path) -> None:
    done = collector(tmp_path, "speed")
    assert done.returncode == 2 and "there are: fails, works" in done.stdout


def test_real_slices_that_are_not_there_are_not_measured(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(real_slices.FOLDERS, str(tmp_path / "none"))
    ((what, value, _),) = real_slices.measure()
    assert "none" in what and "not measured" in value


def test_false_alarms_and_found_lines_are_counted_at_the_threshold() -> None:
    answers = real_slices.Answers(0.5, plain=[0.1, 0.5, 0.2, 0.9], lined=[0.4, 0.6, 0.5, 0.7])
    values = [value for _, value, _ in real_slices.describe("m", answers)]
    assert values == ["50 % (2 of 4)", "75 % (3 of 4)", "0.66"]
