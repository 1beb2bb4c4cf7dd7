"""`spinefrac models rename|note|tag|duplicate|archive|default|delete|restore|free`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from spinefrac.cli import output
from spinefrac.cli.models import NameArgument, to_json_entry

app = typer.Typer()

NewNameArgument = Annotated[
    str, typer.Argument(metavar="NEW", help="The other name.", show_default=False)
]


@app.command("rename")
def rename(
    name: NameArgument, new_name: NewNameArgument, as_json: output.JsonOption = False
) -> None:
    """Give a saved model another name; note, tags, evaluations and lineage go along."""
    from spinefrac.store import manage

    _print_outcome(manage.rename(name, new_name), f"{name} is now named {new_name}", as_json)


@app.command("note")
def set_note(
    name: NameArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What it is for; '' removes it.")],
    as_json: output.JsonOption = False,
) -> None:
    """Write down what a saved model is for."""
    from spinefrac.store import manage

    _print_outcome(manage.annotate(name, note=text), f"the note of {name} is kept", as_json)


@app.command("tag")
def edit_tags(
    name: NameArgument,
    tags: Annotated[
        list[str], typer.Argument(metavar="TAG…", help="Words to find it by.", show_default=False)
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Take these tags off.")] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Put tags on a saved model, or take them off."""
    from spinefrac.store import manage, repository

    before = repository.load(name).tags
    named = {word.casefold() for word in tags}
    kept = [word for word in before if word.casefold() not in named]
    model = manage.annotate(name, tags=kept if remove else [*before, *tags])
    _print_outcome(model, f"tags of {name}: {', '.join(model.tags) or 'none'}", as_json)


@app.command("duplicate")
def duplicate(
    name: NameArgument, new_name: NewNameArgument, as_json: output.JsonOption = False
) -> None:
    """Copy a saved model, with note and tags, under another name."""
    from spinefrac.store import manage

    _print_outcome(manage.duplicate(name, new_name), f"{new_name} is a copy of {name}", as_json)


@app.command("archive")
def archive(
    name: NameArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Leave a saved model out of lists and choices; nothing of it is removed."""
    from spinefrac.store import manage

    model = manage.annotate(name, archived=not undo)
    _print_outcome(model, f"{name} is {'back' if undo else 'archived'}", as_json)


@app.command("default")
def set_default(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Shows the default if left out.", show_default=False),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Make a saved model the one that is used where none is named."""
    from spinefrac.store import manage, repository

    model = (
        repository.load(repository.get_default_id()) if name is None else manage.set_default(name)
    )
    _print_outcome(model, f"the default model is {model.id}", as_json)


@app.command("delete")
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    purge: Annotated[
        bool, typer.Option("--now", help="Free the space at once; then it cannot be undone.")
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Delete a saved model, or a folder among them that is none.

    For 24 hours `spinefrac models restore NAME` brings it back; then, with --now or with
    `spinefrac models free` its space is freed.
    """
    from spinefrac.store import manage

    if not yes:
        _confirm(f"Delete {name}" + (" for good?" if purge else "?"))
    deleted = manage.delete(name)
    freed = manage.purge([deleted]) if purge else 0
    if as_json:
        output.print_json(
            {
                "id": name,
                "deleted": f"{deleted.deleted_at:%Y-%m-%dT%H:%M:%S+00:00}",
                "bytes_freed": freed,
            }
        )
    elif purge:
        output.print_result(f"{name} is deleted; {_format_megabytes(freed)} freed")
    else:
        output.print_result(
            f"{name} is deleted; `spinefrac models restore {name}` brings it back for 24 hours, "
            "`spinefrac models free` frees the space now"
        )


@app.command("restore")
def restore(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Lists what can be brought back if left out.", show_default=False
        ),
    ] = None,
    new_name: Annotated[
        str | None,
        typer.Option("--as", metavar="NEW", help="Another name for it.", show_default=False),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Bring back a deleted model."""
    from spinefrac.store import manage, trash

    manage.purge_expired()
    if name is not None:
        back = manage.restore(name, new_name)
        if as_json:
            output.print_json({"id": back})
        else:
            output.print_result(f"{back} is back")
        return
    deleted = [(d.id, f"{d.deleted_at:%Y-%m-%dT%H:%M:%S+00:00}") for d in trash.list_restorable()]
    if as_json:
        output.print_json([{"id": which, "deleted": when} for which, when in deleted])
    elif deleted:
        output.print_result(output.format_table([("model", "deleted"), *deleted]))
    else:
        output.print_message("nothing can be brought back")


@app.command("free")
def purge_deleted(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Remove all deleted models for good and free their space."""
    from spinefrac.store import manage, trash

    deleted = trash.list_restorable()
    if deleted and not yes:
        _confirm(f"Remove {', '.join(entry.id for entry in deleted)} for good?")
    freed = manage.purge(deleted) + manage.purge_expired()
    if as_json:
        output.print_json({"models": [entry.id for entry in deleted], "bytes_freed": freed})
    else:
        output.print_result(f"{_format_megabytes(freed)} freed")


def _confirm(question: str) -> None:
    """Ask once; who cannot be asked has to say --yes."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here: say --yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _format_megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _print_outcome(model: Any, message: str, as_json: bool) -> None:
    """Print the model's entry as JSON, or the sentence."""
    if as_json:
        output.print_json(to_json_entry(model))
    else:
        output.print_result(message)
