"""`spinefrac audit`: the report for people, JSON for scripts, and corrected groups."""

import json

import pytest

from spinefrac.cli import main
from spinefrac.data import phantom
from spinefrac.wording import AUDIT_ADVICE


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit") / "slices"
    phantom.write_phantom(folder, patients=4, slices=3, seed=5, size=256, workers=1)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


def test_the_report_speaks_in_standard_terms(slices, capsys):
    assert main(["audit", str(slices)]) == 0
    shown = capsys.readouterr().out
    assert "12 slices, " in shown and "4 groups (by the patient" in shown
    assert "baseline, AUC" in shown and "leakage gap" in shown
    assert f"verdict unusable: {AUDIT_ADVICE['unusable']}" in shown
    assert "[unusable] The class " in shown


def test_json_holds_the_audit_and_nothing_else(slices, capsys):
    assert main(["audit", str(slices), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["groups"], found["verdict"]) == (12, 4, "unusable")


def test_groups_are_written_corrected_and_discarded(slices, tmp_path, capsys):
    table = tmp_path / "groups.csv"
    assert main(["audit", str(slices), "--write-groups", str(table)]) == 0
    lines = table.read_text().splitlines()
    assert lines[0] == "path,label,patient" and len(lines) == 13
    table.write_text(
        "\n".join([lines[0], *(f"{line.rsplit(',', 1)[0]},one" for line in lines[1:])])
    )
    for option, groups in ((["--groups", str(table)], 1), (["--forget-groups"], 4)):
        capsys.readouterr()
        assert main(["audit", str(slices), *option, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["groups"] == groups


def test_an_existing_table_is_not_overwritten(slices, tmp_path):
    (tmp_path / "groups.csv").write_text("mine")
    assert main(["audit", str(slices), "--write-groups", str(tmp_path / "groups.csv")]) == 1
    assert (tmp_path / "groups.csv").read_text() == "mine"


def test_corrected_groups_need_the_automatic_rule(slices, tmp_path, capsys):
    options = ["--forget-groups", "--group-by", "file"]
    assert main(["audit", str(slices), *options]) == 2
    assert "expected --group-by auto" in capsys.readouterr().err
