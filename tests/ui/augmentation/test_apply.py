"""Export of an augmentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spinefrac.training.augmentation.config import PRESETS
from spinefrac.training.augmentation.presets import NamedAugmentation
from spinefrac.ui.augmentation import apply
from spinefrac.ui.augmentation.controls import AugmentationSelection


def test_the_command_names_the_preset_or_the_file_of_a_changed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    config = PRESETS["strong"]
    strong = NamedAugmentation("strong", config, is_preset=True)
    assert apply._get_cli_value(AugmentationSelection(strong, config)) == "strong"
    changed = AugmentationSelection(strong, replace(config, flip=not config.flip))
    assert apply._get_cli_value(changed) == "augmentation.yaml"
    own = NamedAugmentation("mine", config, owner="kim", shared=False)
    assert apply._get_cli_value(AugmentationSelection(own, config)) == "kim/mine"
