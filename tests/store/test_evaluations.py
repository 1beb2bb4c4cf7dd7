"""Evaluations on other folders: kept beside the model, found again, and never believed blindly."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from spinefrac.data.scan import scan
from spinefrac.errors import ModelError
from spinefrac.inference import external_evaluation
from spinefrac.inference.predictor import Predictor
from spinefrac.store import evaluations, repository
from spinefrac.store.evaluations import SlicePredictions, TrainingOverlap


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """A real data set on disk: a phantom of 4 patients."""
    from spinefrac.data import phantom

    folder = tmp_path_factory.mktemp("unseen")
    phantom.write_phantom(folder, patients=4, slices=3, seed=21, size=256)
    return folder


@pytest.fixture(scope="module")
def evaluated(saved_model, folder):
    return external_evaluation.evaluate_external(Predictor(saved_model), scan(folder))


def test_what_is_kept_comes_back(saved_model, evaluated) -> None:
    evaluation, answers = evaluated
    (kept,) = evaluations.list_evaluations(saved_model)
    assert kept == evaluation
    again = evaluations.load_predictions(kept)
    assert again.paths == answers.paths and again.pixel_hashes == answers.pixel_hashes
    for column in ("groups", "labels", "probabilities"):
        np.testing.assert_array_equal(getattr(again, column), getattr(answers, column))
    assert evaluation.metrics.n == 12 and set(evaluation.shift) >= {"auc", "recall", "ece"}


def test_boxes_score_the_heat_maps_and_columns_of_the_files_are_kept(
    saved_model, folder, tmp_path
) -> None:
    import csv
    import shutil

    import cv2

    shutil.copytree(folder, tmp_path / "boxed")
    with (tmp_path / "boxed/boxes.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "x", "y", "width", "height"))
        for mask in sorted((folder / "masks").iterdir()):
            box = cv2.boundingRect(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE))
            writer.writerow((f"fracture/{mask.name}", *box))
    small = next((tmp_path / "boxed/normal").iterdir())
    cv2.imwrite(str(small), cv2.resize(cv2.imread(str(small), 0), (128, 128)))
    evaluation, answers = external_evaluation.evaluate_external(
        Predictor(saved_model), scan(tmp_path / "boxed"), save=False
    )
    found = evaluation.pointing
    assert found.slices == evaluation.data.fracture and 0 <= found.hits <= found.slices
    assert 0 < found.chance < 0.5
    assert sorted(set(answers.subgroups["size"])) == ["128×128", "256×256"]
    data = json.loads(json.dumps(evaluation.to_dict()))
    assert evaluations.Evaluation.from_dict(data) == evaluation
    evaluations.save_evaluation(evaluation, answers)
    assert evaluations.load_predictions(evaluation).subgroups == answers.subgroups
    (
        home := evaluations._evaluations_dir(saved_model.card_hash) / f"{evaluation.key}.json"
    ).unlink()
    home.with_suffix(".csv").unlink()


def test_the_model_itself_stays_as_it_was(saved_model, evaluated) -> None:
    assert repository.load(saved_model.id).card_hash == saved_model.card_hash
    assert {path.name for path in saved_model.path.iterdir()} == {
        *saved_model.card.files,
        repository.CARD_FILE,
    }


def test_no_path_of_this_machine_is_kept(home, folder, evaluated) -> None:
    text = list((home / "evaluations").glob("*/*"))
    assert text and all(str(folder.parent) not in path.read_text() for path in text)


def test_names_are_beside_the_runs_only(home, saved_model, evaluated) -> None:
    evaluation, answers = evaluated
    saved = home / "evaluations" / evaluation.card_hash[:16] / evaluation.key
    table, entry = (saved.with_suffix(end).read_bytes() for end in (".csv", ".json"))
    for name in (answers.paths[0], str(answers.groups[0]), evaluation.folder):
        assert name.encode() not in table + json.dumps(json.loads(entry)["folder"]).encode()
    names = home / "runs" / "names"
    kept = names.rename(names.with_name("elsewhere"))
    try:
        (public,) = evaluations.list_evaluations(saved_model)
        assert public.folder == evaluation.public_name == public.hide_folder().folder
        numbered = evaluations.load_predictions(public)
        assert sorted(numbered.paths) == [f"slice-{n:06}" for n in range(len(answers.paths))]
        assert len(set(numbered.groups.tolist())) == len(set(answers.groups.tolist()))
    finally:
        kept.rename(names)


def test_evaluations_of_an_earlier_model_of_that_name_are_passed_over(
    saved_model, evaluated
) -> None:
    assert evaluations.list_evaluations(replace(saved_model, card_hash="0" * 64)) == []


def test_damage_is_noticed(home, saved_model, evaluated) -> None:
    evaluation, answers = evaluated
    table = home / "evaluations" / evaluation.card_hash[:16] / f"{evaluation.key}.csv"
    table.write_bytes(table.read_bytes().replace(b"group-00001", b"group-00002", 1))
    with pytest.raises(ModelError, match="evaluate the folder again"):
        evaluations.load_predictions(evaluation)
    table.with_suffix(".json").write_text('{"half": ')
    assert evaluations.list_evaluations(saved_model) == []
    evaluations.save_evaluation(evaluation, answers)
    assert evaluations.list_evaluations(saved_model) == [evaluation]


def test_file_names_that_are_not_utf8_survive(saved_model, evaluated) -> None:
    evaluation, answers = evaluated
    odd = replace(answers, paths=("fracture/d\udce9,\n.png", *answers.paths[1:]))
    evaluations.save_evaluation(evaluation, odd)
    assert evaluations.load_predictions(evaluation).paths == odd.paths
    evaluations.save_evaluation(evaluation, answers)


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write")
def test_no_right_to_write_is_said(home, evaluated) -> None:
    folder = home / "evaluations" / evaluated[0].card_hash[:16]
    folder.chmod(0o500)
    try:
        with pytest.raises(ModelError, match="cannot be saved"):
            evaluations.save_evaluation(*evaluated)
    finally:
        folder.chmod(0o700)


# --- slices that the model was trained on ------------------------------------------------


def test_trained_slices_are_found_by_their_pixels(saved_model, evaluated) -> None:
    _, answers = evaluated
    trained = replace(
        SlicePredictions.from_out_of_fold(saved_model.load_out_of_fold()),
        pixel_hashes=("f" * 64, *answers.pixel_hashes[:3]),
    )
    seen = external_evaluation.training_overlap(saved_model, trained, answers, "another")
    assert seen.slices == 3 and seen.has_leakage and not seen.same_data
    assert "trained on 3 of these 12" in seen.describe(12)
    nothing = external_evaluation.training_overlap(
        saved_model, replace(trained, pixel_hashes=()), answers, "another"
    )
    assert nothing.slices is None and not nothing.has_leakage
    same = external_evaluation.training_overlap(
        saved_model, trained, answers, saved_model.card.data.fingerprint
    )
    assert same.has_leakage and "these very slices" in same.describe(12)
    assert TrainingOverlap(False, 0, 0).describe(12) == ""


def test_kept_json_is_json(home, evaluated) -> None:
    evaluation, _ = evaluated
    path = home / "evaluations" / evaluation.card_hash[:16] / f"{evaluation.key}.json"
    content = json.loads(path.read_text())
    assert content["model"] == "tiny" and "NaN" not in path.read_text()
