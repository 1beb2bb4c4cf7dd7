"""All names of a folder are found, and none that every message has."""

from spinefrac import redaction
from spinefrac.data.folder_names import collect_names


def test_names_of_files_folders_and_tables_are_found(tmp_path):
    folder = tmp_path / "Nowak"
    (folder / "fracture" / "Østergård").mkdir(parents=True)
    (folder / "fracture" / "Østergård" / "Ng_1.nii.gz").touch()
    (folder / "labels.csv").write_text("path;label;patient\nfracture/x.png;1;O'Brien\n", "utf-8")
    names = collect_names(folder)
    assert {"Nowak", "Østergård", "Ng_1", "Ng_1.nii.gz", "O'Brien"} <= names
    assert "fracture/Østergård/Ng_1.nii.gz" in names
    assert not {"fracture", "1", "label", "normal"} & names
    message = f"{folder}/fracture/Østergård/Ng_1.nii.gz of O'Brien is no slice of a fracture"
    hidden = redaction.hide_names(message, names)
    assert hidden.endswith("is no slice of a fracture")
    assert not any(name in hidden for name in ("Nowak", "Øster", "Ng", "Brien"))


def test_a_folder_that_is_gone_has_its_own_name_only(tmp_path):
    assert "Nowak" in collect_names(tmp_path / "Nowak")
