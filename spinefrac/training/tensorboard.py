"""The curves of a fold for TensorBoard: ``tensorboard --logdir runs`` shows every fold of a run."""

from __future__ import annotations

import math
from pathlib import Path

from spinefrac.records import EpochRecord

_SCALARS = ("loss", "val_loss", "val_auc", "learning_rate", "seconds")
#: A serialised ``SummaryMetadata`` (TensorFlow's summary.proto) with ``plugin_data.plugin_name``
#: "scalars" and ``data_class`` DATA_CLASS_SCALAR: what `tf.summary.scalar` writes, which exists
#: only where the package tensorboard is installed.
_SCALAR_METADATA = b"\x0a\x09\x0a\x07scalars\x20\x01"


class TensorBoardWriter:
    """Writes one point per curve and epoch into `folder`, after those of earlier attempts.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(str(folder))

    def write_epoch(self, record: EpochRecord, images_per_second: float) -> None:
        """Write the numbers of an epoch; those that are NaN have no point."""
        points = {name: getattr(record, name) for name in _SCALARS}
        points["images_per_second"] = images_per_second
        with self._writer.as_default():
            for name, value in points.items():
                if math.isfinite(value):
                    self._summary.write(name, float(value), record.epoch, _SCALAR_METADATA)
        self._writer.flush()
