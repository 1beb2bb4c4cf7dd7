"""The history keeps answers by hash, survives what happens to its file, and can be off."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pydicom
import pytest

from spinefrac import imaging
from spinefrac.cli import main
from spinefrac.data.phantom.dicom import to_dicom
from spinefrac.data.phantom.rendering import Series, render
from spinefrac.data.scan import hash_pixels
from spinefrac.errors import HistoryError
from spinefrac.inference import history
from spinefrac.records import CtSlice, InputCheck, ModelInput, Prediction, Square

CARD = "c" * 64


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    monkeypatch.delenv("SPINEFRAC_HISTORY", raising=False)
    monkeypatch.delenv("SPINEFRAC_HISTORY_PICTURES", raising=False)
    return tmp_path


def a_slice(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 30)).astype(np.float32)
    return CtSlice(pixels, calibrated=False, format="png")


def an_answer(probability=0.7, typical=True):
    picture = np.zeros((4, 4), np.uint8)
    check = InputCheck(12.0, typical, "" if typical else "a document")
    return Prediction(
        "m", probability, 0.5, (probability,), np.zeros((20, 30), np.float32),
        ModelInput(picture, Square(0, 0, 4)), check, 1.0,
    )  # fmt: skip


def test_an_answer_is_kept_by_its_pixels_and_counted():
    ct = a_slice()
    first = history.save_prediction(ct, an_answer(), CARD)
    again = history.save_prediction(ct, an_answer(), CARD)
    other = history.save_prediction(ct, an_answer(), "d" * 64)
    assert first == again != other
    kept = {entry.id: entry for entry in history.list_entries()}
    assert kept[first].times == 2 and kept[other].times == 1
    assert kept[first].picture == hash_pixels(ct) and kept[first].label == "fracture"
    assert kept[first].typical is True and not kept[first].has_picture
    assert history.read_image(first) is None
    assert history.list_entries(1)[0].id == other


def test_the_last_word_of_a_person_counts():
    entry = history.save_prediction(a_slice(), an_answer(typical=False), CARD)
    history.save_feedback(entry, "agree")
    history.save_feedback(entry, "disagree", "  rib, not spine " + "x" * 3000)
    kept = history.list_entries()[0]
    assert kept.verdict == "disagree" and kept.note.startswith("rib, not spine")
    assert len(kept.note) == history.MAX_NOTE_LENGTH and kept.said_at >= kept.first_at
    assert kept.typical is False and kept.reason == "a document"
    with pytest.raises(HistoryError, match="agree, disagree, unsure"):
        history.save_feedback(entry, "perhaps")
    with pytest.raises(HistoryError, match="cleared"):
        history.save_feedback(entry + 99, "agree")


def test_a_picture_is_kept_only_where_the_server_says_so(monkeypatch):
    ct = a_slice()
    history.save_prediction(ct, an_answer(), CARD)
    monkeypatch.setenv("SPINEFRAC_HISTORY_PICTURES", "on")
    entry = history.save_prediction(ct, an_answer(), CARD)
    content = history.read_image(entry)
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(picture, np.rint(ct.pixels).astype(np.uint8))
    assert history.list_entries()[0].has_picture


@pytest.mark.parametrize("word", ["off", "0", "No", "false"])
def test_one_setting_ends_it(word, monkeypatch, home):
    monkeypatch.setenv("SPINEFRAC_HISTORY", word)
    assert history.save_prediction(a_slice(), an_answer(), CARD) is None
    assert not (home / history.DATABASE_NAME).exists()


def test_export_gives_everything_and_runs_nothing():
    first = history.save_prediction(a_slice(1), an_answer(), CARD)
    history.save_prediction(a_slice(2), replace(an_answer(0.1), input_check=None), CARD)
    history.save_feedback(first, "unsure", "=HYPERLINK(1)")
    kept = history.list_entries()
    rows = list(csv.DictReader(io.StringIO(history.to_csv(kept))))
    assert [row["label"] for row in rows] == ["no fracture", "fracture"]
    assert rows[1]["note"] == "'=HYPERLINK(1)" and rows[0]["typical"] == ""
    plain = json.loads(history.to_json(kept))
    assert plain[1]["note"] == "=HYPERLINK(1)" and plain[0]["typical"] is None


def test_many_threads_and_processes_may_write_at_once(home):
    code = (
        "import sys; sys.path.insert(0, 'tests/inference')\n"
        "from test_history import *\n"
        "for i in range(10):\n"
        "    history.save_prediction(a_slice(int(sys.argv[1]) + i), an_answer(), CARD)\n"
    )
    environment = {**os.environ, "SPINEFRAC_HOME": str(home)}
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(1000 * n)], env=environment)
        for n in (1, 2)
    ]
    threads = [
        threading.Thread(target=lambda n=n: history.save_prediction(a_slice(n), an_answer(), CARD))
        for n in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(timeout=120) for other in others] == [0, 0]
    assert len(history.list_entries()) == 30


def test_a_locked_file_is_said_in_one_line(home, monkeypatch):
    monkeypatch.setattr(history, "_BUSY_TIMEOUT_S", 0.1)
    history.save_prediction(a_slice(), an_answer(), CARD)
    holder = sqlite3.connect(home / history.DATABASE_NAME, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="in use by another program"):
        history.save_prediction(a_slice(1), an_answer(), CARD)
    assert len(history.list_entries()) == 1  # readers do not wait
    holder.close()
    history.save_prediction(a_slice(1), an_answer(), CARD)


@pytest.mark.parametrize("content", [b"not a database at all" * 200, None])
def test_a_damaged_file_is_said_in_one_line(home, content):
    history.save_prediction(a_slice(), an_answer(), CARD)
    path = home / history.DATABASE_NAME
    if content is None:  # a page in the middle is lost
        content = bytearray(path.read_bytes())
        content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=r"damaged.*move history\.sqlite"):
        history.list_entries()
        history.save_prediction(a_slice(1), an_answer(), CARD)


def make_first_version(path, *, versioned):
    """Turn a history into one of the first schema, as servers have it."""
    with closing(sqlite3.connect(path)) as old:
        columns = (
            "id, first_at, last_at, times, picture, model, card, probability, threshold, label"
        )
        columns += ", typical, reason, verdict, note, said_at, png"
        old.executescript(
            "ALTER TABLE answer RENAME TO newer;"
            + history._MIGRATIONS[0]
            + f"INSERT INTO answer ({columns}) SELECT {columns} FROM newer; DROP TABLE newer;"
            f"PRAGMA user_version = {int(versioned)};"
        )


@pytest.mark.parametrize("versioned", [False, True])
def test_a_file_of_an_earlier_version_is_taken_over(home, versioned):
    entry = history.save_prediction(a_slice(), an_answer(), CARD)
    history.save_feedback(entry, "disagree", "a rib")
    other = history.save_prediction(a_slice(1), an_answer(0.9), CARD)
    make_first_version(home / history.DATABASE_NAME, versioned=versioned)
    kept = {found.id: found for found in history.list_entries()}
    assert (kept[entry].verdict, kept[entry].note, kept[entry].unit) == ("disagree", "a rib", "")
    # The same slice again is the same entry, with its feedback; where the probability is another
    # one, as for equal numbers of another unit, it is not.
    assert history.save_prediction(a_slice(), an_answer(), CARD) == entry
    assert history.save_prediction(a_slice(1), an_answer(0.1), CARD) not in (entry, other)
    kept = {found.id: found for found in history.list_entries()}
    assert (kept[entry].verdict, kept[entry].unit, kept[entry].times) == ("disagree", "grey", 2)
    assert (kept[other].unit, len(kept)) == ("", 3)
    with closing(sqlite3.connect(home / history.DATABASE_NAME)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (4,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_equal_numbers_of_another_unit_are_another_slice():
    """An empty picture, and a slice that is water throughout."""
    empty = CtSlice(np.zeros((20, 30), np.float32), calibrated=False, format="png")
    first = history.save_prediction(empty, an_answer(), CARD)
    water = history.save_prediction(replace(empty, calibrated=True), an_answer(), CARD)
    assert first != water
    assert {entry.id: entry.unit for entry in history.list_entries()} == {
        first: "grey",
        water: "HU",
    }


SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_slice_is_the_same_under_another_name_and_transfer_syntax(tmp_path, syntax):
    series = Series(patients=1, slices=1, seed=5, difficulty="standard", size=256)
    content = to_dicom(render(0, 0, patients=1, slices=1, seed=5, size=256), series, 0, 0)
    (tmp_path / "1.dcm").write_bytes(content)
    header = pydicom.dcmread(tmp_path / "1.dcm")
    header.InstanceNumber, header.PatientName = 99, "Somebody^Else"
    if syntax == pydicom.uid.RLELossless:
        header.compress(syntax)
    else:
        if syntax == pydicom.uid.ExplicitVRBigEndian:
            header.PixelData = header.pixel_array.byteswap().tobytes()
            header["PixelData"].VR = "OW"
        header.file_meta.TransferSyntaxUID = syntax
    with (tmp_path / "other name.ima").open("wb") as file:
        pydicom.dcmwrite(
            file, header, implicit_vr=syntax == SYNTAXES[0], little_endian=syntax != SYNTAXES[1]
        )
    first, again = (imaging.read(tmp_path / name) for name in ("1.dcm", "other name.ima"))
    entry = history.save_prediction(first, an_answer(), CARD)
    assert history.save_prediction(again, an_answer(), CARD) == entry


def test_a_file_of_a_newer_version_is_left_alone(home):
    history.save_prediction(a_slice(), an_answer(), CARD)
    other = sqlite3.connect(home / history.DATABASE_NAME)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(HistoryError, match=r"version 99.*update spinefrac"):
        history.list_entries()


def test_a_full_disk_is_said_in_one_line(monkeypatch, home):
    history.save_prediction(a_slice(), an_answer(), CARD)
    connect = sqlite3.connect

    def small(*arguments, **options):
        database = connect(*arguments, **options)
        database.execute("PRAGMA max_page_count = 4")  # SQLite's own way to be out of room
        return database

    monkeypatch.setenv("SPINEFRAC_HISTORY_PICTURES", "on")
    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(HistoryError, match="disk is full"):
        for number in range(100):
            history.save_prediction(a_slice(number), an_answer(), CARD)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_is_said(home):
    home.chmod(0o500)
    try:
        with pytest.raises(HistoryError, match="SPINEFRAC_HISTORY=off"):
            history.save_prediction(a_slice(), an_answer(), CARD)
    finally:
        home.chmod(0o700)


def test_a_home_that_is_a_file_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "file"))
    with pytest.raises(HistoryError, match="SPINEFRAC_HOME"):
        history.save_prediction(a_slice(), an_answer(), CARD)


def test_cleared_is_gone_from_the_disk(home, monkeypatch):
    entry = history.save_prediction(a_slice(), an_answer(), CARD)
    history.save_feedback(entry, "agree", "a remarkable note")
    assert history.clear() == 1 and history.list_entries() == ()
    left = b"".join(path.read_bytes() for path in home.glob("history.sqlite*"))
    assert b"a remarkable note" not in left


def test_the_command_lists_exports_and_clears(tmp_path, capsys):
    assert main(["history"]) == 0 and "There are no predictions yet" in capsys.readouterr().out
    history.save_prediction(a_slice(), an_answer(), CARD)
    assert main(["history"]) == 0 and "fracture" in capsys.readouterr().out
    assert main(["history", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["model"] == "m"
    for name in ("all.csv", "all.json"):
        assert main(["history", "--out", str(tmp_path / name)]) == 0
        assert "fracture" in (tmp_path / name).read_text()
    assert main(["history", "--out", str(tmp_path / "all.txt")]) == 2
    assert main(["history", "--clear", "--out", "a.csv"]) == 2
    assert main(["history", "--clear", "--json"]) == 0
    assert history.list_entries() == ()
