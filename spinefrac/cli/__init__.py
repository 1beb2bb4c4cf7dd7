"""The command line: `spinefrac …` and `python -m spinefrac …`, one module per command.

With ``--json`` a command prints one JSON value on stdout and nothing else there; progress and
messages go to stderr. It ends with 0 (done), 1 (the work failed), 2 (wrong usage) or 130
(interrupted), and reports an error in one line.

A command imports what it needs when it runs, so that no command waits for the imports of another.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from spinefrac import extras
from spinefrac.cli import (
    audit,
    augment,
    backup,
    compare,
    deidentify,
    evaluate,
    history,
    import_data,
    models,
    models_manage,
    pages,
    phantom,
    predict,
    recalibrate,
    report,
    runs,
    serve,
    train,
    users,
)
from spinefrac.cli.output import print_error, print_message
from spinefrac.errors import SpinefracError
from spinefrac.store import shipped

#: Exit status of a command that was interrupted from the keyboard.
INTERRUPTED = 130

#: All commands.
app = typer.Typer(name="spinefrac", add_completion=False, rich_markup_mode=None)
app.command("app")(pages.open_pages)
app.command("phantom")(phantom.generate_phantom)
app.command("audit")(audit.audit)
app.command("deidentify")(deidentify.deidentify)
app.command("import")(import_data.import_data)
app.command("augment")(augment.augment)
app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.command("recalibrate")(recalibrate.recalibrate)
app.command("compare")(compare.compare)
app.command("report")(report.write_report)
app.command("serve")(serve.serve)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("history")(history.manage_history)
models.app.add_typer(models_manage.app)
app.add_typer(models.app, name="models")
app.add_typer(runs.app, name="runs")
app.add_typer(users.app, name="users")


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"spinefrac {version('spinefrac')}")
        raise typer.Exit


#: Groups of commands that leave HOME as it is: a new one stays empty for what is restored.
_WITHOUT_MODELS = ("backup", "restore")


@app.callback()
def root_callback(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Train and use classifiers of spinal CT slices, fracture or no fracture.

    Not a medical device: for research and teaching only, never for a decision about a patient.
    """
    if context.invoked_subcommand not in _WITHOUT_MODELS:
        shipped.provide_models()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``spinefrac``; those of the process by default.

    Returns
    -------
    int
        0 done, 1 the work failed, 2 wrong usage, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    command = get_command(app)
    if not sys.warnoptions and not os.environ.get("SPINEFRAC_DEBUG"):
        warnings.simplefilter("ignore")  # libraries quote elements of headers in them
    try:
        status = command.main(arguments, prog_name="spinefrac", standalone_mode=False)
    except SpinefracError as error:
        return print_error(str(error))
    except typer.TyperException as error:
        return print_error(*_format_usage_error(error))
    except OSError as error:
        return print_error(
            f"{error.strerror or error}: {error.filename or 'on reading or writing'}"
        )
    except Exception as error:
        if problem := _explain_missing_package(error):
            return print_error(problem)
        if os.environ.get("SPINEFRAC_DEBUG"):
            raise
        return print_error(
            f"{type(error).__name__}: {error} (spinefrac did not expect this; set "
            "SPINEFRAC_DEBUG=1 to see where it happened)"
        )
    if status == INTERRUPTED:
        print_message("interrupted")
    return status if isinstance(status, int) else 0


def _explain_missing_package(error: Exception) -> str | None:
    """Return what to install for a module that is not there; None where it is another error."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    extra = extras.find_extra(error.name)
    return extras.explain_missing(extra) if extra else None


def _format_usage_error(error: typer.TyperException) -> tuple[str, int]:
    """Return the message and the exit status for wrong arguments."""
    context = getattr(error, "ctx", None)
    program = context.command_path if context else "spinefrac"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    return f"{message.rstrip('.')}; see `{program} --help`", getattr(error, "exit_code", 2)
