"""Exports: whole and verified, or not there."""

import csv
import json
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import archive as bundle
from spinefrac.exchange import export, import_model
from spinefrac.store import repository
from tests.support.killing import export_saved_model, fork_and_kill, import_onnx_network

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


# --- the whole, once --------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(saved_model, tmp_path_factory):
    """Every format of a model with folds, written once."""
    target = tmp_path_factory.mktemp("exports") / "all.zip"
    return export.export_model(saved_model, target, export.FORMATS)


@pytest.mark.slow
def test_every_format_is_read_back_and_its_difference_said(archive, saved_model):
    by_name = {entry.format: entry for entry in archive.formats}
    assert set(by_name) == set(export.FORMATS)
    for name, entry in by_name.items():
        assert entry.slices >= 16 and entry.bytes > 1000 and entry.milliseconds > 0
        assert entry.agreement.above + entry.agreement.below == entry.slices
        if name != "litert-int8":
            assert 0 <= entry.largest_difference < 1e-5, name
    loss = by_name["litert-int8"].loss
    assert loss["slices"] == 96 and loss["patients"] == 24
    assert 0 < loss["mean_difference"] <= loss["largest_difference"] < 0.2
    assert loss["auc_interval"][0] <= loss["auc_difference"] <= loss["auc_interval"][1]
    with zipfile.ZipFile(archive.path) as file:
        names = set(file.namelist())
        assert {"MODEL_CARD.md", "predict.py", "preprocessing.py", "preprocessing.json"} <= names
        assert {"model.h5", "model.tflite", "model-int8.tflite"} <= names
        assert "savedmodel/saved_model.pb" in names
        report = json.loads(file.read("verification.json"))
        assert [entry["format"] for entry in report["formats"]] == list(by_name)
        text = file.read("MODEL_CARD.md").decode()
        assert "## Files in this archive" in text and "8-bit LiteRT, measured on 96" in text
        for name in names:
            content = file.read(name)
            assert str(saved_model.path.parent).encode() not in content, name
            assert b"/home/" not in content, name


@pytest.mark.slow
def test_names_of_the_training_slices_stay_here(archive, saved_model):
    with zipfile.ZipFile(archive.path) as file:
        rows = list(csv.DictReader(file.read("model/oof.csv").decode().splitlines()))
    oof = saved_model.load_out_of_fold()
    assert not {row["path"] for row in rows} & set(oof.paths)
    assert not {row["group"] for row in rows} & set(oof.groups.tolist())
    # Which slices belong together stays, and so does every number.
    kept = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    own = np.unique(oof.groups, return_inverse=True)[1]
    assert len(set(zip(kept.tolist(), own.tolist(), strict=True))) == len(set(own.tolist()))
    assert [float(row["logit"]) for row in rows] == oof.logits.tolist()


@pytest.mark.slow
def test_an_archive_comes_back_as_the_model_it_was(archive, saved_model, elsewhere, predict_slices):
    expected = predict_slices(saved_model.id)
    elsewhere()
    model = import_model.import_file(archive.path, "again")
    assert model.metrics == saved_model.metrics and model.has_out_of_fold
    assert model.load_history() == saved_model.load_history()
    assert model.card.files["model.keras"] == saved_model.card.files["model.keras"]
    assert (predict_slices("again") == expected).all()
    with pytest.raises(ModelError, match="in use"):
        import_model.import_file(archive.path, "again")


@pytest.mark.slow
def test_two_networks_in_one_archive_are_noticed(archive, elsewhere, tmp_path, tiny, left_in):
    """Hashes that fit do not help: the card is signed anew by whoever forges it."""
    from dataclasses import replace

    from spinefrac.store import card as cards

    with zipfile.ZipFile(archive.path) as file:
        file.extractall(tmp_path / "forged")
    own = tmp_path / "forged" / "model"
    tiny.network(99)  # seeds Keras
    from spinefrac.exchange import ensemble
    from spinefrac.training import heads

    models = [heads.add_heatmap_output(tiny.network(seed)) for seed in (98, 99)]
    ensemble.build_probability_model(models).save(own / "model.keras")
    card = cards.parse((own / "card.json").read_bytes())
    record = cards.FileRecord(*repository.hash_file(own / "model.keras"))
    forged = replace(card, files=card.files | {"model.keras": record})
    (own / "card.json").write_bytes(cards.dump(forged))
    bundle.pack(tmp_path / "forged", tmp_path / "forged.zip")
    models_folder = elsewhere()
    with pytest.raises(ModelError, match="not the same model"):
        import_model.import_file(tmp_path / "forged.zip")
    assert left_in(models_folder) == []


# --- what is refused --------------------------------------------------------------------


def test_nothing_is_overwritten_and_odd_places_are_refused(small_model, tmp_path):
    (tmp_path / "there.zip").write_bytes(b"mine")
    for place in (tmp_path / "there.zip", tmp_path / "x.tar", tmp_path / "no" / "x.zip"):
        with pytest.raises(ModelError, match="choose another"):
            export.export_model(small_model, place)
    assert (tmp_path / "there.zip").read_bytes() == b"mine"


def test_a_format_that_cannot_be_is_refused(small_model, tmp_path):
    with pytest.raises(ModelError, match="imported from ONNX"):
        export.export_model(small_model, tmp_path / "x.zip", ["h5"])
    with pytest.raises(ModelError, match="among keras"):
        export.export_model(small_model, tmp_path / "x.zip", ["pickle"])


# --- faults -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_archive(small, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(small.path.parents[1]))
        target = tmp_path_factory.mktemp("small") / "small.zip"
        return export.export_model(small, target).path


def test_an_imported_network_goes_and_comes_back(
    small, small_archive, small_model, elsewhere, predict_slices
):
    expected = predict_slices(small.id)
    elsewhere()
    model = import_model.import_file(small_archive)
    assert model.id == small.id and model.card == small.card and not model.has_out_of_fold
    assert (predict_slices(model.id) == expected).all()


def test_one_flipped_bit_of_an_archive_is_found_or_harmless(small_archive, tmp_path):
    """Sixty bits, every second one in the model's own files; what unpacks is what was packed."""
    content, rng, refused = small_archive.read_bytes(), random.Random(3), 0
    with zipfile.ZipFile(small_archive) as file:
        own = [entry for entry in file.infolist() if entry.filename.startswith("model/")]
        whole = {entry.filename: file.read(entry) for entry in own}
        start = min(entry.header_offset for entry in own)
        end = max(entry.header_offset + entry.compress_size for entry in own)
    for attempt in range(60):
        flipped = bytearray(content)
        position = rng.randrange(start, end) if attempt % 2 else rng.randrange(len(content))
        flipped[position] ^= 1 << rng.randrange(8)
        (tmp_path / "flipped.zip").write_bytes(flipped)
        folder = tmp_path / str(attempt)
        folder.mkdir()
        try:
            bundle.unpack(tmp_path / "flipped.zip", folder)
            repository.open_folder(folder)
        except ModelError as error:
            refused += 1
            assert str(tmp_path) not in str(error)
            continue
        found = {f"model/{path.name}": path.read_bytes() for path in folder.iterdir()}
        # Only what nobody needs may be missing.
        assert found == whole, attempt
    assert refused > 10


@pytest.mark.parametrize("name", ["model/card.json", "model/serving.onnx"])
def test_a_changed_file_in_an_archive_is_named(small_archive, tmp_path, elsewhere, left_in, name):
    with zipfile.ZipFile(small_archive) as file:
        file.extractall(tmp_path / "changed")
    path = tmp_path / "changed" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    bundle.pack(tmp_path / "changed", tmp_path / "changed.zip")
    models = elsewhere()
    with pytest.raises(ModelError, match=Path(name).name):
        import_model.import_file(tmp_path / "changed.zip")
    assert left_in(models) == []


@posix_only
@pytest.mark.slow
def test_killed_while_exporting_leaves_a_whole_archive_or_none(small_model, tmp_path):
    """At 40 random moments of the real thing."""
    rng, ends, home = random.Random(5), [], small_model.path.parents[1]

    def export_until(after, target):
        return fork_and_kill(export_saved_model, small_model.id, target, home=home, after=after)

    seconds = export_until(None, tmp_path / "timed.zip")
    for attempt in range(40):
        target = tmp_path / f"{attempt}.zip"
        export_until(rng.uniform(0, 1.3 * seconds), target)
        if target.exists():
            folder = tmp_path / f"out-{attempt}"
            folder.mkdir()
            bundle.unpack(target, folder)
            assert repository.open_folder(folder).card == small_model.card
        ends.append(target.exists())
        assert [model.id for model in repository.list_models()] == [small_model.id]
    assert 0 < sum(ends) < 40
    export.export_model(small_model, tmp_path / "last.zip")
    left = [path.name for path in small_model.path.parent.iterdir() if path.is_dir()]
    assert left == [small_model.id]


@posix_only
@pytest.mark.slow
def test_killed_while_importing_leaves_a_whole_model_or_none(small, tmp_path, elsewhere):
    """At 40 random moments of the real thing."""
    from tests.support.onnx_network import onnx_network

    source = tmp_path / "net.onnx"
    source.write_bytes(onnx_network().SerializeToString())
    models, rng, ends = elsewhere(), random.Random(6), []

    def import_until(after):
        return fork_and_kill(import_onnx_network, source, "wanted", home=models.parent, after=after)

    seconds = import_until(None)
    (models / "wanted").rename(tmp_path / "timed")
    for _ in range(40):
        import_until(rng.uniform(0, 1.3 * seconds))
        found = repository.list_models()
        if found:
            assert isinstance(found[0], repository.SavedModel) and found[0].card.origin
            (models / "wanted").rename(tmp_path / f"kept-{len(ends)}")
        ends.append(bool(found))
    assert 0 < sum(ends) < 40
    import_onnx_network(source, "wanted")
    assert [path.name for path in models.iterdir() if path.is_dir()] == ["wanted"]


@posix_only
def test_a_full_disk_leaves_nothing(small_model, small_archive, tmp_path, elsewhere, left_in):
    """A small file system that the archive, and then the model, does not fit into."""
    full = tmp_path / "full"
    full.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(full)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        with pytest.raises(ModelError, match="nothing was exported"):
            export.export_model(small_model, full / "x.zip")
        assert not list(full.iterdir())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPINEFRAC_HOME", str(full))
            with pytest.raises(ModelError, match=r"nothing was saved|damaged|No space"):
                import_model.import_file(small_archive)
            assert left_in(full / "models") == []
    finally:
        subprocess.run(["umount", str(full)], check=True)
