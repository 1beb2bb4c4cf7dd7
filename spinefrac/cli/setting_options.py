"""Options of the command line, made from the descriptions of the training settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from spinefrac.training.settings import SETTINGS


def make_option(name: str, help_text: str = "", *, limited: bool = False) -> Any:
    """Return the `typer.Option` of a setting.

    Parameters
    ----------
    name : str
        Of the setting.
    help_text : str
        Instead of the setting's own help.
    limited : bool
        Refuse values outside the limits while the command line is read.
    """
    setting = SETTINGS[name]
    flag = f"--{name.replace('_', '-')}"
    declarations = []
    if setting.type is bool:
        declarations = [f"{flag}/--no-{flag[2:]}" if setting.default else flag]
    choices = f" One of {', '.join(setting.choices)}." if setting.choices else ""
    return typer.Option(
        *declarations,
        metavar=setting.placeholder or None,
        help=help_text or setting.help.replace("`", "") + choices,
        show_default=_get_default(name) is not None,
        min=setting.minimum if limited else None,
        max=setting.maximum if limited else None,
    )


def _get_default(name: str) -> Any:
    """Return an option's default; None where "not given" means automatic."""
    setting = SETTINGS[name]
    return None if setting.zero_meaning == "automatic" else setting.default


def with_setting_options(names: Sequence[str]) -> Callable[[Callable[..., None]], Any]:
    """Replace the parameter `settings` of a command by one option for each named setting.

    The command is called with ``settings``, a dict of the values that the command line names;
    defaults are left out. It must have a parameter ``context`` of type `typer.Context`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            if parameter.name == "settings":
                parameters += [_make_parameter(name) for name in names]
            else:
                parameters.append(parameter)

        @wraps(command)
        def run(*, context: typer.Context, **values: Any) -> None:
            settings = {name: values.pop(name) for name in names}
            given = {name: value for name, value in settings.items() if is_given(context, name)}
            command(context=context, settings=given, **values)

        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run

    return decorate


def _make_parameter(name: str) -> inspect.Parameter:
    default = _get_default(name)
    kind = SETTINGS[name].type
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind if default is not None else kind | None, make_option(name)],
    )


def is_given(context: typer.Context, name: str) -> bool:
    """Whether the command line names an option, whatever its value."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
