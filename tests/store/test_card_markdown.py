"""The card as Markdown: headings and metadata of model hubs, every number with its interval."""

import json
import re
from dataclasses import replace

import pytest
import yaml

from spinefrac.records import NOT_A_MEDICAL_DEVICE
from spinefrac.store import card_markdown
from spinefrac.store.annotations import Annotations
from spinefrac.store.card import ParentModel

#: Of Hugging Face's template, in its order.
HEADINGS = [
    "## Model Details",
    "### Model Description",
    "## Uses",
    "### Direct Use",
    "### Downstream Use",
    "### Out-of-Scope Use",
    "## Bias, Risks, and Limitations",
    "### Recommendations",
    "## How to Get Started with the Model",
    "## Training Details",
    "### Training Data",
    "### Training Procedure",
    "#### Training Hyperparameters",
    "#### Speeds, Sizes, Times",
    "## Evaluation",
    "### Testing Data, Factors & Metrics",
    "### Results",
    "## Technical Specifications",
    "### Model Architecture and Objective",
    "### Software",
]


@pytest.fixture(scope="module")
def text(saved_model):
    return card_markdown.render_markdown(saved_model)


def test_the_headings_are_those_of_model_hubs(text):
    found = [line for line in text.splitlines() if line.startswith("##")]
    assert [line for line in found if line in HEADINGS] == HEADINGS
    assert NOT_A_MEDICAL_DEVICE in text


def test_the_metadata_is_yaml_and_holds_the_metrics(text, saved_model):
    block = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1]
    data = yaml.safe_load(block)
    assert data["pipeline_tag"] == "image-classification"
    [model] = data["model-index"]
    assert model["name"] == saved_model.id
    values = {entry["type"]: entry for entry in model["results"][0]["metrics"]}
    assert values["roc_auc"]["value"] == pytest.approx(saved_model.metrics.auc, abs=1e-6)
    assert "95 % CI" in values["roc_auc"]["name"]


def test_every_metric_has_its_interval_and_every_file_its_hash(text, saved_model):
    low, high = saved_model.metrics.ci["auc"]
    assert f"| ROC AUC | {saved_model.metrics.auc:.3f} | {low:.3f} to {high:.3f} |" in text
    for record in saved_model.card.files.values():
        assert record.sha256 in text
    assert saved_model.card_hash in text
    assert saved_model.card.data.group_rule in text and "was not audited" in text


def test_annotations_are_shown_letter_by_letter(saved_model):
    parent = ParentModel("first", "a" * 64, "weights")
    model = replace(
        saved_model,
        card=replace(saved_model.card, parent=parent, trained_by="a <b>\n# c"),
        annotations=Annotations(note="| a | <script>\n## Uses\n*b*", tags=("two: words", "- [x]")),
    )
    text = card_markdown.render_markdown(model)
    assert text.count("\n## Uses") == 1 and "<script" not in text.replace("\\<script", "")
    assert r"\| a \| \<script\> \#\# Uses \*b\*" in text
    assert r"a \<b\> \# c" in text
    assert "the weights of first" in text
    block = yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1])
    assert block["tags"][-2:] == ["two: words", "- [x]"]


def test_tables_are_whole(text):
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1, table


def test_an_evaluation_is_shown_with_what_it_had_seen(saved_model, monkeypatch):
    from spinefrac.store import evaluations
    from spinefrac.store.evaluations import Evaluation, TrainingOverlap

    kept = Evaluation(
        saved_model.id,
        saved_model.card_hash,
        "another_place",
        "2026-01-01T00:00:00+00:00",
        saved_model.card.data,
        saved_model.metrics,
        {},
        TrainingOverlap(True, 3, 0),
    )
    monkeypatch.setattr(evaluations, "list_evaluations", lambda model: [kept])
    text = card_markdown.render_markdown(saved_model)
    assert "another" not in text, "the folder's name may be a patient's"
    assert f"#### Data set {saved_model.data.fingerprint[:8]}" in text
    assert "trained on these very slices" in text
    assert "another origin" not in text
    json.dumps(yaml.safe_load(text.split("---\n")[1]))
