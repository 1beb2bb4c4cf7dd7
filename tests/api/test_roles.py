"""Every route for every role and for nobody: allowed as the table of roles says, and no more."""

import pytest

from spinefrac.access import users
from spinefrac.access.policy import LOCAL, RULES, Action, Role, Scope
from spinefrac.api.application import build_api
from spinefrac.training import runs
from spinefrac.training.runs import commands, lease

#: What each route does; health is for anybody.
ACTIONS = {
    ("post", "/predict"): Action.PREDICT,
    ("post", "/predict/heatmap"): Action.PREDICT,
    ("get", "/models"): Action.SEE_MODEL,
    ("get", "/models/{model_id}"): Action.SEE_MODEL,
    ("get", "/models/{model_id}/card"): Action.SEE_MODEL,
    ("get", "/datasets"): Action.SEE_SHARED_DATASET,
    ("post", "/datasets"): Action.ADD_DATASET,
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
OPERATIONS = [
    (method, path)
    for path, operations in build_api().openapi()["paths"].items()
    for method in operations
]


@pytest.fixture(autouse=True)
def no_runner(monkeypatch):
    monkeypatch.setattr(lease, "_start_runner", lambda token: pytest.fail("a process was started"))
    monkeypatch.setattr(runs, "ensure_runner", lambda: False)
    monkeypatch.setattr(commands.lease, "ensure_runner", lambda: False)


def make_client(as_role, role):
    """Return a client of a role; a guest has the link of the model that ships."""
    if role is not Role.GUEST:
        return as_role(role)
    client = as_role(None)
    client.token = users.issue_guest("phantom-demo", LOCAL)
    return client


def ask(client, method, path, slice_file):
    """Send a request that is allowed or not, and leads to nothing else."""
    address = path.format(model_id="phantom-demo", run_id="nothing") if "{" in path else path
    address = f"/api/v1{address}"
    if path == "/predict":
        return client.post_files(address, [("files", "a.dcm", slice_file)])
    if path == "/predict/heatmap":
        return client.post_files(address, [("file", "a.dcm", slice_file)])
    if path == "/datasets" and method == "post":
        return client.post_files(address, [("files", "a.zip", b"none")], name="x")
    if method == "post":
        return client.post_json(address, {"folder": "nothing"})
    return client.get(address)


def test_the_table_names_every_route():
    assert set(OPERATIONS) == set(ACTIONS)


@pytest.mark.parametrize("role", [None, *Role], ids=lambda role: str(role) if role else "nobody")
def test_a_role_may_what_the_table_says(as_role, slice_file, role):
    client = make_client(as_role, role)
    for method, path in OPERATIONS:
        action = ACTIONS[method, path]
        status = ask(client, method, path, slice_file).status
        if action is None:
            assert status not in (401, 403), (method, path)
        elif role is None:
            assert status == 401, (method, path)
        elif RULES[action].scope(role) is Scope.NONE:
            # Of a run that somebody may see but that is not there, it is said that it is not there.
            hidden = action is Action.CHANGE_RUN and RULES[Action.SEE_RUN].scope(role) is Scope.ALL
            assert status == (404 if hidden else 403), (method, path, status)
        else:
            assert status not in (401, 403), (method, path, status)
