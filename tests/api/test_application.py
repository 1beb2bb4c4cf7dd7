"""The OpenAPI document, and whether it is true."""

from spinefrac.api.application import build_api


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
