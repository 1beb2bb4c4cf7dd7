"""Facts of a folder, before and after its audit."""

import numpy as np
import pytest

from spinefrac.data.preview import preview_folder
from spinefrac.ui.train import folder as folder_view
from tests.training.conftest import write_slices


@pytest.fixture(scope="module")
def preview(tmp_path_factory):
    place = tmp_path_factory.mktemp("folder") / "slices"
    write_slices(place)
    return preview_folder(place)


def test_groups_are_known_after_the_audit_only(preview):
    facts = dict(folder_view.list_facts(preview, None))
    normal, fracture = preview.class_counts
    assert facts["Slices"] == (f"{normal + fracture}: {fracture} with a fracture, {normal} without")
    assert facts["Groups (patients)"] == "available after the audit"


def test_notes_with_undecodable_file_names_can_be_sent(preview):
    from dataclasses import replace

    facts = folder_view.list_facts(replace(preview, notes=("bad name: \udcff.png",)), None)
    assert ("Note", "bad name: ?.png") in facts
    assert "\n".join(text for _, text in facts).encode()


def test_examples_of_both_classes_are_shown(preview):
    html = folder_view.render_examples(preview)
    assert html.count("data:image/webp;base64,") == len(preview.examples) == 10
    assert "Slice, no fracture" in html and "Slice, fracture" in html
    assert all(isinstance(example.image, np.ndarray) for example in preview.examples)


def test_a_class_without_readable_files_says_so(preview):
    from dataclasses import replace

    html = folder_view.render_examples(replace(preview, examples=()))
    assert html.count("None of the first files can be read.") == 2
