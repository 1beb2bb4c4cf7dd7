"""`spinefrac models rename|note|tag|duplicate|archive|default|delete|restore|free`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from spinefrac.cli import output
from spinefrac.cli.models import NameArgument, find_default_id

app = typer.Typer()

NewNameArgument = Annotated[
    str, typer.Argument(metavar="NEW", help="The new name.", show_default=False)
]


@app.command("rename")
def rename(
    name: NameArgument, new_name: NewNameArgument, as_json: output.JsonOption = False
) -> None:
    """Rename a saved model; note, tags, evaluations and lineage are kept."""
    from spinefrac.store import manage

    _print_outcome(manage.rename(name, new_name), f"{name} is now named {new_name}", as_json)


@app.command("note")
def set_note(
    name: NameArgument,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What the model is for; '' removes the note.")
    ],
    as_json: output.JsonOption = False,
) -> None:
    """Set the note of a saved model: what it is for."""
    from spinefrac.store import manage

    _print_outcome(manage.annotate(name, note=text), f"the note of {name} is saved", as_json)


@app.command("tag")
def edit_tags(
    name: NameArgument,
    tags: Annotated[
        list[str], typer.Argument(metavar="TAG…", help="One or more words.", show_default=False)
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Remove these tags.")] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Add tags to a saved model, or remove them."""
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
    """Copy a saved model, with note and tags, to another name."""
    from spinefrac.store import manage

    _print_outcome(manage.duplicate(name, new_name), f"{new_name} is a copy of {name}", as_json)


@app.command("archive")
def archive(
    name: NameArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Unarchive: list the model again.")] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Archive a saved model: hide it from lists and choices. Nothing is removed."""
    from spinefrac.store import manage

    model = manage.annotate(name, archived=not undo)
    _print_outcome(model, f"{name} is {'unarchived' if undo else 'archived'}", as_json)


@app.command("default")
def set_default(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="By default, the default model is shown.", show_default=False
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Set the default model, which is used where none is named, or show it."""
    from spinefrac.store import manage, repository

    model = (
        repository.load(repository.get_default_id()) if name is None else manage.set_default(name)
    )
    _print_outcome(model, f"the default model is {model.id}", as_json)


@app.command("delete")
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    purge: Annotated[
        bool, typer.Option("--now", help="Purge: remove the files now. This cannot be undone.")
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Delete a saved model, or another folder among the saved models.

    For 24 hours `spinefrac models restore NAME` undoes it. After that, with --now or with
    `spinefrac models free`, the files are removed permanently.
    """
    from spinefrac.store import manage

    if not yes:
        _confirm(f"Delete {name}" + (" permanently?" if purge else "?"))
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
            f"{name} is deleted; `spinefrac models restore {name}` restores it for 24 hours, "
            "`spinefrac models free` removes its files now"
        )


@app.command("restore")
def restore(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="By default, models that can be restored are listed.",
            show_default=False,
        ),
    ] = None,
    new_name: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NEW", help="Restore it under another name.", show_default=False
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Restore a deleted model, or list the deleted ones."""
    from spinefrac.store import manage, trash

    manage.purge_expired()
    if name is not None:
        restored = manage.restore(name, new_name)
        if as_json:
            output.print_json({"id": restored})
        else:
            output.print_result(f"{restored} is restored")
        return
    deleted = [(d.id, f"{d.deleted_at:%Y-%m-%dT%H:%M:%S+00:00}") for d in trash.list_restorable()]
    if as_json:
        output.print_json([{"id": which, "deleted": when} for which, when in deleted])
    elif deleted:
        output.print_result(output.format_table([("model", "deleted"), *deleted]))
    else:
        output.print_message("there is no deleted model to restore")


@app.command("free")
def purge_deleted(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Purge deleted models: remove their files permanently."""
    from spinefrac.store import manage, trash

    deleted = trash.list_restorable()
    if deleted and not yes:
        _confirm(f"Remove {', '.join(entry.id for entry in deleted)} permanently?")
    freed = manage.purge(deleted) + manage.purge_expired()
    if as_json:
        output.print_json({"models": [entry.id for entry in deleted], "bytes_freed": freed})
    else:
        output.print_result(f"{_format_megabytes(freed)} freed")


def _confirm(question: str) -> None:
    """Ask for confirmation; without a terminal, --yes is needed."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for confirmation: add --yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _format_megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _print_outcome(model: Any, message: str, as_json: bool) -> None:
    """Print the model's entry as JSON, or the message."""
    if as_json:
        from spinefrac.store import model_records

        output.print_json(model_records.describe_model(model, find_default_id()))
    else:
        output.print_result(message)
