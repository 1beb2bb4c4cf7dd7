"""The ZIP of an export: the saved model's own files under ``model/``, everything else beside."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from spinefrac.errors import ModelError
from spinefrac.exchange import validation
from spinefrac.store import repository

#: Folder in the ZIP that holds the saved model's own files.
MODEL_FOLDER = "model"

#: Files that may be in it; the annotations (note, tags) need not be.
MODEL_FILES = (
    repository.CARD_FILE,
    *repository.ARTIFACT_FILES,
    repository.REFERENCE_FILE,
    repository.ANNOTATIONS_FILE,
)


def pack(folder: Path, target: Path) -> None:
    """Write every file of a folder into a ZIP, in order of name, with a fixed time.

    Parameters
    ----------
    folder : Path
    target : Path
        A new file.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as file:
                while block := source.read(1 << 20):
                    file.write(block)


def unpack(source: Path, folder: Path) -> None:
    """Extract a saved model's own files from a ZIP, and nothing else.

    Raises
    ------
    ModelError
        It is not a ZIP that this package wrote, is damaged, or has names or sizes that are
        not accepted.
    """
    validation.check_file_size(source)
    try:
        with zipfile.ZipFile(source) as archive:
            found = {e.filename: e for e in validation.check_members(archive, source.name)}
            if f"{MODEL_FOLDER}/{repository.CARD_FILE}" not in found:
                raise ModelError(
                    f"{source.name} has no {MODEL_FOLDER}/{repository.CARD_FILE}, so it is not a "
                    "ZIP of `spinefrac models export`: import the .keras, .h5 or .onnx file itself"
                )
            for name in MODEL_FILES:
                if entry := found.get(f"{MODEL_FOLDER}/{name}"):
                    _extract_member(archive, entry, folder / name)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        ValueError,
        OSError,
        RuntimeError,
    ) as error:
        raise ModelError(
            f"{source.name} is damaged or not a ZIP ({validation.summarize_error(error)}): copy it "
            "again"
        ) from error


def _extract_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Write one file of the archive; `zipfile` checks its CRC at the end."""
    try:
        with archive.open(entry) as file, target.open("xb") as out:
            while block := file.read(1 << 20):
                out.write(block)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(
            f"{Path(entry.filename).name} is damaged in the ZIP "
            f"({validation.summarize_error(error)}): copy it again"
        ) from error
