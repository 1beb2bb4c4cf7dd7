"""Every route against the table of roles: what each role, and nobody, may do."""

import shutil

import pytest

from spinefrac.access import policy, users
from spinefrac.access.policy import RULES, Action, Identity, Role
from spinefrac.training import runs
from tests.api.conftest import ROOT

#: The actions of each operation, all of which are needed; none where anybody may ask.
ROUTES = {
    ("post", "/predict"): Action.PREDICT,
    ("post", "/predict/heatmap"): Action.PREDICT,
    ("get", "/models"): Action.SEE_MODEL,
    ("get", "/models/{model_id}"): Action.SEE_MODEL,
    ("get", "/models/{model_id}/card"): Action.SEE_MODEL,
    ("get", "/datasets"): Action.SEE_SHARED_DATASET,
    ("post", "/datasets"): Action.ADD_DATASET,
    ("post", "/uploads"): Action.ADD_DATASET,
    ("get", "/uploads/{upload_id}"): Action.ADD_DATASET,
    ("put", "/uploads/{upload_id}/parts/{sha256}"): Action.ADD_DATASET,
    ("post", "/uploads/{upload_id}/finish"): Action.ADD_DATASET,
    ("delete", "/uploads/{upload_id}"): Action.ADD_DATASET,
    ("get", "/runs"): Action.SEE_RUN,
    ("post", "/runs"): Action.START_RUN,
    ("get", "/runs/{run_id}"): Action.SEE_RUN,
    ("get", "/runs/{run_id}/events"): Action.SEE_RUN,
    ("post", "/runs/{run_id}/cancel"): Action.CHANGE_RUN,
    ("post", "/runs/{run_id}/resume"): Action.CHANGE_RUN,
    ("get", "/health/live"): None,
    ("get", "/health/ready"): None,
    ("get", "/metrics"): Action.SEE_SERVER_METRICS,
}
MODEL, OWNER = "phantom-demo", "some-trainer"
REFUSED = (401, 403)


@pytest.fixture(scope="module")
def run_id(home):
    """A run of some trainer's, which has ended."""
    folder = home / "data" / "slices"
    samples = ROOT / "spinefrac" / "ui" / "samples"
    for label in ("fracture", "normal"):
        (folder / label).mkdir(parents=True)
        for path in samples.glob(f"{label}-*"):
            shutil.copy(path, folder / label)
    request = runs.RunRequest(folder, "theirs", list_only=True, trained_by=OWNER)
    run = runs.submit(request, start_runner=False)
    runs.cancel(run.id)
    return run.id


def test_every_operation_is_walked(api):
    paths = api.openapi()["paths"]
    assert {(method, path) for path, found in paths.items() for method in found} == set(ROUTES)


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: str(part))
def test_a_route_is_open_to_whom_the_table_says(
    method, path, role, as_role, run_id, slice_file, monkeypatch
):
    monkeypatch.setattr(runs.commands.lease, "ensure_runner", lambda: None)
    if role is Role.GUEST:
        token = users.issue_guest(MODEL, policy.LOCAL)
        client = as_role(None)
        client.token, identity = token, Identity("guest", role, MODEL)
    else:
        client = as_role(role)
        identity = role and Identity(f"some-{role}", role)
    status = ask(client, method, path, run_id, slice_file)
    action = ROUTES[method, path]
    if action is None:
        assert status not in REFUSED
        return
    owner = OWNER if RULES[action].needs_owner else None
    allowed = policy.permits(identity, action, owner=owner, model=MODEL)
    assert (status not in REFUSED) == allowed, status
    assert allowed or status == (401 if role is None else 403)


def ask(client, method, path, run_id, slice_file):
    """Send a request that would do something, and return the status."""
    address = "/api/v1" + path.format(
        model_id=MODEL, run_id=run_id, upload_id=12 * "0", sha256=64 * "0"
    )
    if path.startswith("/predict"):
        files = [("files" if path == "/predict" else "file", "a.dcm", slice_file)]
        return client.post_files(address, files, model=MODEL).status
    if (method, path) == ("post", "/datasets"):
        return client.post_files(address, [("files", "a.zip", b"no zip")], name="x").status
    if (method, path) == ("post", "/uploads"):
        return client.post_json(address, {"name": " "}).status
    if (method, path) == ("post", "/runs"):
        return client.post_json(address, {"folder": "absent", "name": "x"}).status
    return client.ask(method.upper(), address).status
