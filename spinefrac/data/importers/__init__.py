"""Import public data sets as a folder of labelled slices, one slice after the other.

`import_dataset` writes ``OUT/slices/<patient>/…`` and, once all are there, ``OUT/labels.csv`` and,
where the source marks fractures, ``OUT/boxes.csv``. A file appears by a rename; until the tables
do, the folder is not a data set, and the same call continues it.
"""

from spinefrac.data.importers.run_import import KINDS, ImportResult, import_dataset

__all__ = ["KINDS", "ImportResult", "import_dataset"]
