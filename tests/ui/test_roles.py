"""Every action of every page against the table of roles: what each role, and nobody, may do.

Each button of a page is listed with its action; a page with a button that is not listed fails.
"""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.access import accounts, datasets, policy, users
from spinefrac.access.policy import RULES, Action, Identity, Role
from spinefrac.audit import audit_folder
from spinefrac.imaging.collect import file_from_bytes
from spinefrac.store import manage, repository
from spinefrac.training import runs
from spinefrac.training.augmentation import presets
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.ui.common import navigation
from tests.support.app import click_disabled, page, sign_in

pytestmark = pytest.mark.usefixtures("from_checkout")
SAMPLES = Path(__file__).resolve().parents[2] / "spinefrac" / "ui" / "samples"
#: Who owns the model, the run and the data set of these tests.
OWNER, MODEL = "kim", "theirs"
PEOPLE = {
    "vic": Role.VIEWER,
    "kim": Role.TRAINER,
    "tom": Role.TRAINER,
    "ada": Role.ADMIN,
}

#: The action of each button, by its label or key; None for what only moves within a page.
BUTTONS: dict[str, Action | None] = {
    r"sign-out|back-to-models|open-.*|compare-models|estimate-choose": None,
    r"sample-\d+|inference-stop|highest-slice-\d+|occlusion-run|gradcam-compute": Action.PREDICT,
    r"history-delete": Action.DELETE_PREDICTION,
    r"share-(model|run|metrics|prediction-\d+)": Action.SHARE,
    r"Rename|Edit note and tags|Archive|Unarchive": Action.CHANGE_MODEL,
    r"Duplicate|Recalibrate": Action.DUPLICATE_MODEL,
    r"Set as default": Action.SET_DEFAULT_MODEL,
    r"Delete|restore-.*|purge-.*": Action.DELETE_MODEL,
    r"Start training": Action.START_RUN,
    r"export-create": Action.EXPORT_MODEL,
    r"Import": Action.IMPORT_MODEL,
    r"train-start|train-reuse-settings|estimate-start|estimate-cancel": Action.START_RUN,
    r"train-cancel|train-resume": Action.CHANGE_RUN,
    r"audit-start|audit-again": Action.READ_FOLDER,
    r"audit-groups-.*|dataset-rename|dataset-share": Action.CHANGE_DATASET,
    r"dataset-delete": Action.DELETE_DATASET,
    r"dataset-save|train-synthetic|way-upload|way-synthetic": Action.ADD_DATASET,
    r"way-folder|use-folder|open-folder-.*": Action.READ_FOLDER,
    r"Next seed": Action.TRY_AUGMENTATION,
    r"Save": Action.SAVE_PRESET,
    r"preset-share|Delete .+": Action.CHANGE_PRESET,
    r"Write copies of all .* slices": Action.ADD_DATASET,
    r"Evaluate": Action.EVALUATE_MODEL,
    r"confusion-cell-.*": Action.REVIEW_LABELS,
    r"Invite|user-(invite|role|end|remove)-.*": Action.MANAGE_USERS,
}
#: Pages as they are opened: address, query, and what is chosen on them.
VIEWS = {
    "predict": ("predict", {}, {}),
    "new run": ("train", {"train": "New run"}, {"train-folder": "DATASET"}),
    "no folder": ("train", {"train": "New run"}, {}),
    "runs": ("train", {"run": "RUN"}, {}),
    "augmentation": ("augmentation", {}, {"View": "Apply and export"}),
    "preset": (
        "augmentation",
        {},
        # its owner chooses it by the bare name
        {"Preset": "kim/gentle", "augmentation-base-preset": "gentle", "View": "Apply and export"},
    ),
    "metrics": ("metrics", {"models": MODEL}, {}),
    "evaluation": ("metrics", {"models": MODEL}, {"view": "External evaluation"}),
    "models": ("models", {}, {}),
    "model": ("models", {"model": MODEL}, {}),
    "fine-tune": ("models", {"model": MODEL}, {"View": "Fine-tune"}),
    "recalibrate": ("models", {"model": MODEL}, {"View": "Recalibrate"}),
    "export": ("models", {"model": MODEL}, {"View": "Export"}),
    "people": ("team", {}, {}),
    "activity": ("team", {}, {"View": "Activity"}),
}


@pytest.fixture(scope="module")
def team(demonstration: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A home with people, and a model, a run and a data set of one of them."""
    home = tmp_path_factory.mktemp("team")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(home))
        for name, role in PEOPLE.items():
            users.add(name, role)
        for name in (MODEL, "server"):
            shutil.copytree(demonstration, home / "models" / name)
        manage.set_owner(MODEL, OWNER)
        manage.set_default("server")
        files = [
            file_from_bytes(f"{label}/{path.name}", path.read_bytes())
            for label in ("fracture", "normal")
            for path in sorted(SAMPLES.glob(f"{label}-*"))
        ]
        dataset = datasets.add(Identity(OWNER, Role.TRAINER), "slices", files).dataset
        kim = Identity(OWNER, Role.TRAINER)
        presets.save(kim, "gentle", AugmentationConfig(rotation=1))
        presets.share(kim, "gentle", shared=True)
        audit_folder(dataset.folder)  # otherwise the page starts it, and is drawn before it ends
        request = runs.RunRequest(
            dataset.folder, "m", roots=(dataset.folder,), list_only=True, trained_by=OWNER
        )
        run = runs.submit(request, start_runner=False)
        runs.cancel(run.id)
        yield {"RUN": run.id, "DATASET": f"slices · {dataset.id}"}


def open_view(view: str, name: str | None, team: dict[str, str]) -> AppTest:
    """Open a page as somebody; nobody for None."""
    address, query, chosen = VIEWS[view]
    app = page(address)
    if name is not None:
        sign_in(app, name)
    for key, value in query.items():
        app.query_params[key] = team.get(value, value)
    app.run()
    for key, value in chosen.items():
        choose(app, key, team.get(value, value))
    assert not app.exception
    return app


@pytest.fixture(scope="module")
def opened(team: dict[str, str]) -> Callable[[str, str], AppTest]:
    """Open a page as somebody once, for tests that only look at it."""
    return functools.cache(lambda view, name: open_view(view, name, team))


def choose(app: AppTest, key: str, value: str) -> None:
    """Choose a value in the widget of a key or label, where the page offers it."""
    for widget in (*app.button_group, *app.selectbox):
        if key in (widget.key, widget.label) and value in widget.options:
            widget.set_value(value).run()
            return


def find_action(button: object) -> Action | None:
    """Return the action of a button; an unlisted one fails."""
    for pattern, action in BUTTONS.items():
        if any(re.fullmatch(pattern, name) for name in (button.key, button.label) if name):
            return action
    raise AssertionError(f"{button.label!r} ({button.key}) is in no row of BUTTONS")


def test_every_action_of_the_pages_is_walked() -> None:
    walked = {action for action in BUTTONS.values() if action}
    elsewhere = {
        # shown or hidden as a whole, tested where they are
        Action.KEEP_PREDICTION, Action.SEE_PREDICTION, Action.SEE_MODEL,
        Action.SEE_SHARED_PREDICTION, Action.SEE_RUN, Action.SEE_DATASET,
        Action.SEE_SHARED_DATASET, Action.INVITE_GUEST, Action.SEE_PRESET,
        Action.SEE_AUDIT_LOG,
        # by REST only
        Action.SEE_SERVER_METRICS,
    }  # fmt: skip
    assert walked | elsewhere == set(Action) and not walked & elsewhere


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PEOPLE)
def test_a_button_is_open_to_whom_the_table_says(
    name: str, view: str, opened: Callable[[str, str], AppTest]
) -> None:
    app, identity = opened(view, name), Identity(name, PEOPLE[name])
    for button in app.button:
        action = find_action(button)
        if action is None:
            continue
        owner = OWNER if RULES[action].needs_owner else None
        if action is Action.DELETE_PREDICTION:
            owner = name  # the button is about one's own
        allowed = policy.permits(identity, action, owner=owner, model=MODEL)
        if not allowed:
            assert button.disabled, f"{name} may not {action}, and {button.label} is open"
            assert button.help, f"{button.label} does not say why it is disabled"


@pytest.mark.parametrize("view", VIEWS)
def test_an_owner_and_an_admin_may_do_all_that_is_theirs(
    view: str, opened: Callable[[str, str], AppTest]
) -> None:
    as_owner = {find_action(one) for one in opened(view, OWNER).button if not one.disabled}
    as_admin = {find_action(one) for one in opened(view, "ada").button if not one.disabled}
    only_admin = {
        Action.SET_DEFAULT_MODEL, Action.IMPORT_MODEL, Action.DELETE_MODEL, Action.MANAGE_USERS,
    }  # fmt: skip
    assert as_admin - as_owner <= only_admin
    assert as_owner <= as_admin


@pytest.mark.parametrize("view", VIEWS)
def test_nobody_may_do_anything(view: str, team: dict[str, str]) -> None:
    app = open_view(view, None, team)
    assert [button.label for button in app.button] == ["Sign in", "Sign in with token"]
    assert not app.get("file_uploader") and not app.get("download_button")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["vic", "tom"])
def test_a_disabled_button_does_nothing_when_it_is_clicked(
    name: str, view: str, team: dict[str, str]
) -> None:
    app, before = open_view(view, name, team), read_state()
    for key in [(one.key, one.label) for one in app.button if one.disabled and find_action(one)]:
        click_disabled(next(one for one in app.button if (one.key, one.label) == key))
        assert not app.exception and read_state() == before


def read_state() -> list[object]:
    """Return what a forbidden action would have changed."""
    models = [(model.id, model.card_hash, model.annotations) for model in repository.list_models()]
    admin = Identity("ada", Role.ADMIN)
    return [
        models,
        repository.get_default_id(),
        [(run.id, run.state) for run in runs.list_runs()],
        datasets.list_datasets(admin),
        accounts.list_accounts(admin),
        presets.list_augmentations(admin),
    ]


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("vic", ["predict", "train", "augmentation", "metrics", "models", "help"]),
        ("ada", ["predict", "train", "augmentation", "metrics", "models", "team", "help"]),
        (None, ["predict"]),
    ],
)
def test_pages_in_the_menu(name: str | None, pages: list[str], team: dict[str, str]) -> None:
    """None is a guest."""
    guest = Identity("guest-1", Role.GUEST, MODEL)
    identity = Identity(name, PEOPLE[name]) if name else guest
    needed = navigation.NEEDED
    open_to = [one for one in navigation.PAGES if policy.permits(identity, needed[one], model="")]
    assert open_to == [one for one in pages if name or one != "predict"]


def test_a_viewer_sees_no_names_of_slices_groups_and_folders(team: dict[str, str]) -> None:
    VIEWS["subgroups"] = ("metrics", {"models": MODEL}, {"view": "Subgroups"})
    try:
        as_viewer, as_owner = (open_view("subgroups", name, team) for name in ("vic", "kim"))
    finally:
        del VIEWS["subgroups"]
    assert {"group", "folder"} <= set(as_owner.selectbox(key="column").options)
    assert not {"group", "folder"} & set(as_viewer.selectbox(key="column").options)
    views = next(group for group in as_viewer.button_group if "Overview" in group.options)
    assert not {"Slices", "External evaluation"} & set(views.options)
