"""The folder of a run holds everything that a fold needs."""

from dataclasses import replace

import numpy as np

from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workspace import RunWorkspace, hash_array


def test_a_plan_survives_its_folder(plan):
    plan.write()
    again = RunWorkspace.read(plan.folder)
    assert again.settings == plan.settings
    for name in ("inputs", "labels", "groups", "folds"):
        assert np.array_equal(getattr(again, name), getattr(plan, name))


def test_the_inputs_are_hashed_once_where_folds_look_for_their_features(plan):
    plan.write()
    assert RunWorkspace.read(plan.folder).inputs_sha256 == ""  # every weight is trained
    frozen = replace(plan, settings=TrainingSettings(network="lite0"))
    frozen.write()
    assert RunWorkspace.read(plan.folder).inputs_sha256 == hash_array(plan.inputs)
