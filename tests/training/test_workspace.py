"""The folder of a run holds everything that a fold needs."""

import numpy as np

from spinefrac.training.workspace import RunWorkspace


def test_a_plan_survives_its_folder(plan):
    plan.write()
    again = RunWorkspace.read(plan.folder)
    assert again.settings == plan.settings
    for name in ("inputs", "labels", "groups", "folds"):
        assert np.array_equal(getattr(again, name), getattr(plan, name))
