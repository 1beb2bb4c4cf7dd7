"""The input check calls new patients' slices typical and other pictures not."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.data import phantom
from spinefrac.inference import input_check
from spinefrac.records import CtSlice, ModelInput, Preprocessing, Square
from spinefrac.store import input_statistics

PREPROCESSING = Preprocessing(size=160)


def phantoms(patients: int, seed: int) -> list[CtSlice]:
    """Three slices a patient."""
    made = []
    for patient in range(patients):
        for position in (1, 4, 7):
            slice_ = phantom.render(
                patient, position, patients=patients, slices=9, seed=seed, size=256
            )
            made.append(CtSlice(slice_.hu, calibrated=True, format="dicom"))
    return made


def to_inputs(slices: list[CtSlice]) -> np.ndarray:
    return np.stack([imaging.to_input(ct, PREPROCESSING).pixels for ct in slices])


@pytest.fixture(scope="module")
def statistics():
    return input_statistics.fit(to_inputs(phantoms(26, seed=7)), np.repeat(np.arange(26), 3))


def check_picture(statistics, pixels, colour=False):
    ct = CtSlice(pixels.astype(np.float32), calibrated=False, format="png", colour=colour)
    return input_check.check_input(statistics, ct, imaging.to_input(ct, PREPROCESSING))


def test_slices_of_new_patients_are_typical(statistics):
    slices = phantoms(14, seed=99)
    answers = [
        input_check.check_input(statistics, ct, imaging.to_input(ct, PREPROCESSING))
        for ct in slices
    ]
    assert sum(not answer.typical for answer in answers) <= 0.05 * len(answers)
    assert all(answer.reason == "" for answer in answers if answer.typical)
    assert 20 < np.median([answer.score for answer in answers]) < 90


def test_values_that_are_no_hounsfield_units_are_named(statistics):
    ct = replace(phantoms(1, seed=3)[0], implausible="values that cannot be Hounsfield units")
    checked = input_check.check_input(statistics, ct, imaging.to_input(ct, PREPROCESSING))
    assert (checked.typical, checked.reason) == (False, ct.implausible)
    of_imported = input_check.check_input(None, ct, imaging.to_input(ct, PREPROCESSING))
    assert of_imported == checked
    ct = replace(ct, implausible="")
    assert input_check.check_input(None, ct, imaging.to_input(ct, PREPROCESSING)) is None


def smooth_noise(rng, side=300, beta=3.0):
    """Noise with a photo's spectrum, 0…255."""
    square = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.fftfreq(side) ** 2
    square[0, 0] = 1
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * square ** (-beta / 4)).real
    return 255 * (field - field.min()) / np.ptp(field)


def page(rng):
    sheet = np.full((400, 300), 250, np.uint8)
    for line in range(20):
        words = "".join(rng.choice(list("abcdefgh ijkl"), 40))
        cv2.putText(sheet, words, (10, 25 + 18 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 10, 1)
    return sheet


def chest_x_ray(rng):
    y, x = np.mgrid[:400, :400]
    picture = 150 + 70 * np.exp(-(((x - 200) / 35.0) ** 2))
    for centre in (120, 280):
        picture -= 90 * np.exp(-((((x - centre) / 70) ** 2 + ((y - 190) / 120) ** 2) ** 2))
    return np.clip(picture + rng.normal(0, 5, picture.shape), 0, 255)


@pytest.mark.parametrize(
    "make",
    [
        page,
        chest_x_ray,
        smooth_noise,
        lambda rng: 255 - page(rng),
        lambda rng: smooth_noise(rng, beta=1.5),
        lambda rng: rng.integers(0, 256, (300, 300)),
        lambda rng: np.full((300, 300), 120),
        lambda rng: np.zeros((300, 300)),
        lambda rng: np.full((300, 300), 255),
        lambda rng: np.indices((300, 300)).sum(axis=0) // 20 % 2 * 255,
    ],
    ids="page x-ray photo dark-page rough-photo noise grey black white checker".split(),  # noqa: SIM905
)
def test_other_pictures_are_not_typical(statistics, make):
    for seed in range(3):
        answer = check_picture(statistics, make(np.random.default_rng(seed)))
        assert not answer.typical and answer.score == 100.0
        assert re.match(r"(like|far|in another window)\b.* \(.+\)$", answer.reason)


def test_an_inverted_a_brighter_and_a_darker_slice_are_noticed(statistics):
    window = imaging.to_display(phantoms(1, seed=3)[0], (500.0, 2000.0)).astype(float)
    assert check_picture(statistics, window).typical
    for changed, word in ((255 - window, "brighter"), (1.8 * window, "brighter")):
        answer = check_picture(statistics, np.clip(changed, 0, 255))
        assert not answer.typical and word in answer.reason
    answer = check_picture(statistics, 0.5 * window)
    assert not answer.typical and "darker" in answer.reason


def test_a_colour_picture_is_named_so(statistics):
    window = imaging.to_display(phantoms(1, seed=3)[0], (500.0, 2000.0))
    answer = check_picture(statistics, window, colour=True)
    assert not answer.typical and answer.reason.startswith("a colour image")


def test_a_picture_is_named_for_what_it_looks_like(statistics):
    rng = np.random.default_rng(0)
    assert check_picture(statistics, page(rng)).reason.startswith("like a document")
    window = imaging.to_display(phantoms(1, seed=3)[0], (40.0, 400.0)).astype(float)
    assert check_picture(statistics, window).reason.startswith("in another window")
    assert "X-ray" in check_picture(statistics, chest_x_ray(rng)).reason


@pytest.mark.parametrize(
    "modality, word",
    [("MR", "magnetic resonance"), ("DX", "X-ray"), ("NM", "nuclear"), ("PT", r"\(PT\)")],
)
def test_dicom_of_another_modality_is_named_so_whatever_it_looks_like(statistics, modality, word):
    pixels = imaging.to_display(phantoms(1, seed=3)[0], (500.0, 2000.0)).astype(np.float32)
    ct = CtSlice(pixels, calibrated=False, format="dicom", modality=modality)
    answer = input_check.check_input(statistics, ct, imaging.to_input(ct, PREPROCESSING))
    assert not answer.typical and answer.score == 100.0 and re.search(word, answer.reason)
    captured = replace(ct, modality="CT")  # a screen shot of a CT slice says CT
    assert input_check.check_input(
        statistics, captured, imaging.to_input(captured, PREPROCESSING)
    ).typical


def test_a_ct_slice_unlike_the_training_ones_is_another_region_or_scanner(statistics):
    hu = phantoms(1, seed=3)[0].pixels
    noisy = hu + np.random.default_rng(0).normal(0, 400, hu.shape).astype(np.float32)
    ct = CtSlice(noisy, calibrated=True, format="dicom")
    answer = input_check.check_input(statistics, ct, imaging.to_input(ct, PREPROCESSING))
    assert not answer.typical and answer.reason.startswith("another region of the body")


@pytest.mark.parametrize("inputs", [np.zeros((1, 32, 32)), np.full((7, 32, 32), 90)])
def test_few_or_equal_inputs_give_finite_statistics(inputs):
    inputs = inputs.astype(np.uint8)
    fitted = input_statistics.fit(inputs)
    ct = CtSlice(inputs[0].astype(np.float32), calibrated=False, format="png")
    answer = input_check.check_input(fitted, ct, ModelInput(inputs[0], Square(0, 0, 32)))
    assert answer.typical and np.isfinite(answer.score)
