"""Fill the references of commands, routes and functions: ``python docs/write_reference.py``.

The commands are those of the Typer application, the routes those of the OpenAPI document, and the
functions those of `spinefrac` with their docstrings. The text around them is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import griffe
import typer
from griffe import DocstringSectionKind
from typer.cli import get_docs_for_click
from typer.main import get_command

import spinefrac
from spinefrac.api.application import PREFIX, build_api
from spinefrac.cli import app

DOCS = Path(__file__).parent
_GENERATED = re.compile(r"(<!-- generated -->\n).*?(<!-- end of generated -->\n)", re.S)


def main() -> None:
    """Write the generated part of each document."""
    for name in REFERENCES:
        (DOCS / name).write_text(fill(name), encoding="utf-8")


def fill(name: str) -> str:
    """Return a document with its generated part as the code is now."""
    made = REFERENCES[name]()
    text = (DOCS / name).read_text("utf-8")
    return _GENERATED.sub(lambda marks: f"{marks[1]}\n{made.strip()}\n\n{marks[2]}", text)


def describe_commands() -> str:
    """Return every command with its arguments and options."""
    command = get_command(app)
    context = typer.Context(command, info_name="spinefrac")
    text = get_docs_for_click(obj=command, ctx=context, indent=1, name="spinefrac")
    return re.sub(r"\n{3,}", "\n\n", text)


def describe_routes() -> str:
    """Return every route with what it takes and answers."""
    document = build_api().openapi()
    return "\n".join(
        line
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for line in _describe_route(f"{method.upper()} {PREFIX}{path}", operation, document)
    )


def _describe_route(title: str, operation: dict[str, Any], document: Any) -> Iterator[str]:
    yield f"### `{title}`\n"
    yield f"{operation['summary']}. {_join(operation.get('description', ''))}\n"
    rows = [
        (item["name"], item["in"], item["schema"], item.get("description", ""))
        for item in operation.get("parameters", ())
    ]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _follow(content["schema"], document)
        rows += [
            (name, media_type, field, field.get("description", ""))
            for name, field in schema.get("properties", {}).items()
        ]
    if rows:
        yield "| field | in | type | meaning |\n|---|---|---|---|"
    for name, place, schema, meaning in rows:
        yield f"| `{name}` | {place} | {_name_type(schema)} | {_join(meaning)} |"
    yield f"\nAnswers with {', '.join(operation['responses'])}.\n"


def _follow(schema: Mapping[str, Any], document: Any) -> Mapping[str, Any]:
    """Return a schema, or the one of the document that it refers to."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def _name_type(schema: Mapping[str, Any]) -> str:
    """Return the type of a field in a word or two."""
    if "anyOf" in schema:
        return " or ".join(_name_type(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_name_type(schema['items'])}"
    if "contentMediaType" in schema or schema.get("format") == "binary":
        return "file"
    return str(schema.get("type", "object")).replace("null", "nothing")


def _join(text: str) -> str:
    """Return a text on one line, as a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def describe_functions() -> str:
    """Return the public functions with what their docstrings say."""
    module = griffe.load("spinefrac.training.keras_api", docstring_parser="numpy")
    return "\n".join(
        line for name in spinefrac.__all__ for line in _describe_function(module.functions[name])
    )


def _describe_function(function: griffe.Function) -> Iterator[str]:
    yield f"### `{function.name}`\n"
    yield f"```python\n{function.signature()}\n```\n"
    assert function.docstring is not None, f"{function.name} has no docstring"
    for section in function.docstring.parsed:
        yield from _describe_section(section)


def _describe_section(section: griffe.DocstringSection) -> Iterator[str]:
    kind, value = section.kind, section.value
    if kind is DocstringSectionKind.text:
        yield f"{_to_markdown(value)}\n"
    elif kind is DocstringSectionKind.examples:
        yield "\n".join(f"```python\n{text}\n```" for _, text in value) + "\n"
    elif kind is DocstringSectionKind.admonition:
        yield f"**{value.kind.title()}**: {_to_markdown(value.contents)}\n"
    else:
        yield f"**{kind.value.title()}**\n"
        for item in value:
            name = f"`{item.name}`" if getattr(item, "name", "") else ""
            kinds = f"`{str(item.annotation).strip('()')}`" if item.annotation else ""
            said = _to_markdown(" ".join(item.description.split()))
            yield f"- {', '.join(filter(None, [name, kinds]))}{': ' if said else ''}{said}"
        yield ""


def _to_markdown(text: str) -> str:
    """Return a text of a docstring with code as Markdown writes it."""
    return re.sub(r"``(.+?)``", r"`\1`", text)


#: What makes the generated part of each document.
REFERENCES: dict[str, Callable[[], str]] = {
    "command-line.md": describe_commands,
    "rest.md": describe_routes,
    "python.md": describe_functions,
}


if __name__ == "__main__":
    main()
