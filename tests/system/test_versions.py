import platform
from importlib.metadata import PackageNotFoundError, version

import pytest

from spinefrac.store.card import RECORDED_PACKAGES
from spinefrac.system.versions import collect_versions


def test_versions_are_those_installed():
    assert collect_versions(("python", "numpy")) == {
        "python": platform.python_version(),
        "numpy": version("numpy"),
    }
    with pytest.raises(PackageNotFoundError):
        collect_versions(["no-such-package"])


def test_every_package_that_a_card_records_is_installed():
    assert set(collect_versions(RECORDED_PACKAGES)) == set(RECORDED_PACKAGES)
