"""Cores are shared out between the folds that train side by side."""

from dataclasses import replace

import pytest

from spinefrac.training.runner import fold_scheduler


@pytest.mark.parametrize(
    ("cores", "workers", "threads"),
    [(8, 2, [4, 4, 4, 4, 8]), (2, 1, [2] * 5), (2, 4, [1, 1, 1, 1, 2]), (1, 3, [1] * 5)],
)
def test_the_last_folds_take_the_cores_that_are_idle(
    quick, monkeypatch, cores: int, workers: int, threads: list[int]
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    settings = replace(quick, folds=5, workers=workers)
    assert [fold_scheduler._count_threads(settings, fold) for fold in range(5)] == threads
