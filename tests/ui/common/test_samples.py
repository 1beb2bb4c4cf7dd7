"""The bundled samples."""

from __future__ import annotations

from spinefrac.ui.common import samples


def test_three_of_each_class_alternate() -> None:
    found = samples.list_samples()
    assert [sample.true_label for sample in found] == ["fracture", "no fracture"] * 3
    assert found[0].describe() == "Fracture 1 · DCM"
    assert found[0].button_label == "Fracture\nDICOM"
    assert {sample.button_label.split("\n")[1] for sample in found} == {"DICOM", "PNG"}


def test_each_sample_says_what_to_try() -> None:
    found = samples.list_samples()
    assert set(samples.CAPTIONS) == {sample.path.stem for sample in found}
    assert samples.find_sample("fracture-1") == found[0]
    assert samples.find_sample("../fracture-1") is None
