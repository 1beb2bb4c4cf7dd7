"""Loss and AUC over the epochs."""

from pathlib import Path

from spinefrac.store import repository
from tests.ui.metrics.support import page, text


def test_the_epochs_of_every_fold_are_named(home: Path) -> None:
    app = page(models=["good"], view="Training curves")
    epochs = [str(fold.epochs) for fold in repository.load("good").card.folds]
    assert f"Epochs per fold: {', '.join(epochs)}." in text(app)
    assert [heading.value for heading in app.header] == ["Loss", "AUC on held-out patients"]
