"""Every error that people see is one kind of `SpinefracError`."""

import pytest

from spinefrac import errors


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_kind_is_caught_as_one(kind: type) -> None:
    assert issubclass(kind, errors.SpinefracError)
    with pytest.raises(errors.SpinefracError, match="expected a folder"):
        raise kind("expected a folder, got nothing; choose one")


def test_kinds_are_told_apart() -> None:
    assert not issubclass(errors.ImageError, errors.ModelError)
