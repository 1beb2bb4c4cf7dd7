"""The OpenAPI document, and whether it is true: schemathesis sends what it allows and what not."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from spinefrac.api.application import build_api
from spinefrac.training import runs
from spinefrac.training.runs import commands, lease

schemathesis = pytest.importorskip("schemathesis", reason="`make test` installs schemathesis")

from schemathesis.checks import load_all_checks  # noqa: E402
from schemathesis.specs.openapi import checks  # noqa: E402

#: What a request has to fit beside the document is said by problems with status 422: a folder that
#: exists, a file that is a slice. Tokens are not needed here, where the server is on this machine.
_EXCLUDED = [checks.positive_data_acceptance, checks.ignored_auth]


def test_every_operation_says_what_it_may_answer():
    document = build_api().openapi()
    text = str(document)
    assert "HTTPValidationError" not in text and "application/problem+json" in text
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"] and operation["description"], path
            errors = {code for code in operation["responses"] if code >= "400"}
            for code in errors:
                content = operation["responses"][code]["content"]
                assert list(content) == ["application/problem+json"], (path, code)


@pytest.fixture(scope="module")
def document(api, client):
    """The document as the server gives it out; runs that are queued meanwhile are not started."""
    load_all_checks()
    api.state.is_ready = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lease, "_start_runner", lambda token: pytest.fail("a process was started"))
        patch.setattr(runs, "ensure_runner", lambda: False)
        patch.setattr(commands.lease, "ensure_runner", lambda: False)
        yield schemathesis.openapi.from_url(f"{client.address}/api/v1/openapi.json")


OPERATIONS = [
    (path, method)
    for path, operations in build_api().openapi()["paths"].items()
    for method in operations
]


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_server_answers_what_the_document_says(document, path, method, mode):
    operation = document[path][method]

    @settings(
        max_examples=8, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case):
        case.call_and_validate(excluded_checks=_EXCLUDED)

    try:
        send()
    except Unsatisfiable:  # a route without parameters takes nothing that is wrong
        assert mode is schemathesis.GenerationMode.NEGATIVE
