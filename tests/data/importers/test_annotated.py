"""Which names of classes mean a fracture."""

import pytest

from spinefrac.data.importers.annotated import find_fracture_classes
from spinefrac.errors import DatasetError


@pytest.mark.parametrize(
    "name", ["fracture", "Fractured", "C5_fracture", "compression-fracture", "positive", "Fx"]
)
def test_a_class_that_means_a_fracture(name: str) -> None:
    assert find_fracture_classes(["vertebra", name]) == {name}


@pytest.mark.parametrize(
    "name", ["no fracture", "healed fracture", "normal", "1", "fracturelike artefact", "cat"]
)
def test_a_class_that_means_none(name: str) -> None:
    with pytest.raises(DatasetError, match="rename the class"):
        find_fracture_classes([name])
