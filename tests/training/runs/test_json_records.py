"""Runs as JSON."""

import json
import math

from spinefrac.training import runs
from spinefrac.training.runs import json_records
from tests.support.runs import submit


def test_runs_and_progress_are_json(home, folder, quick):
    run = submit(folder, quick)
    record = json.loads(json.dumps(json_records.describe_run(run), allow_nan=False))
    assert record["id"] == run.id and record["seconds"] is None
    progress = json_records.describe_progress(runs.get_progress(run.id))
    assert json.loads(json.dumps(progress, allow_nan=False))["position"] == 1


def test_an_event_has_the_fields_of_its_kind(home, folder, quick):
    run = submit(folder, quick)
    (event,) = runs.list_events(run.id)
    found = json_records.describe_event(event)
    assert set(found) == {"id", "time", "run", "kind", "message"}


def test_what_is_not_defined_is_null():
    assert json_records.replace_nan({"a": [math.nan, 1.0]}) == {"a": [None, 1.0]}
