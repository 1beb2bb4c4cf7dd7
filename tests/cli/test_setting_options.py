"""Options of a command are made from the settings, and only those that are given are passed on."""

from typing import Any

import pytest
import typer
from typer.main import get_command

from spinefrac.cli.setting_options import with_setting_options
from spinefrac.training.settings import SETTINGS

NAMES = ("folds", "network", "bone_crop")


@pytest.fixture
def passed() -> list[dict[str, Any]]:
    """What the command below was called with."""
    return []


@pytest.fixture
def command(passed: list[dict[str, Any]]):
    app = typer.Typer()

    @app.command()
    @with_setting_options(NAMES)
    def train(*, context: typer.Context, settings: dict[str, Any]) -> None:
        passed.append(settings)

    return get_command(app)


def test_only_what_is_given_is_passed_on(command, passed: list[dict[str, Any]]) -> None:
    command.main([], standalone_mode=False)
    command.main(["--folds", "3", "--no-bone-crop"], standalone_mode=False)
    assert passed == [{}, {"folds": 3, "bone_crop": False}]


def test_every_setting_has_its_option_with_its_default(command) -> None:
    options = {option.name: option for option in command.params}
    for name in NAMES:
        assert f"--{name.replace('_', '-')}" in options[name].opts
        assert options[name].default == SETTINGS[name].default
