"""A fold's curves for TensorBoard: ``tensorboard --logdir runs`` shows every run's folds."""

from __future__ import annotations

import math
from pathlib import Path

from spinefrac.records import EpochRecord

_SCALARS = ("loss", "val_loss", "val_auc", "learning_rate", "seconds")


class TensorBoardWriter:
    """Writes one point a curve and epoch into `folder`, which may hold those of an attempt before.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf
        from tensorflow.compat.v1 import SummaryMetadata

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(str(folder))
        self._metadata = SummaryMetadata()  # `tf.summary.scalar` needs TensorBoard itself
        self._metadata.plugin_data.plugin_name = "scalars"
        self._metadata.data_class = 1  # DATA_CLASS_SCALAR of TensorFlow's summary.proto

    def write_epoch(self, record: EpochRecord, images_per_second: float) -> None:
        """Write the numbers of an epoch; those that are NaN have no point."""
        points = {name: getattr(record, name) for name in _SCALARS}
        points["images_per_second"] = images_per_second
        with self._writer.as_default():
            for name, value in points.items():
                if math.isfinite(value):
                    self._summary.write(name, float(value), record.epoch, self._metadata)
        self._writer.flush()
