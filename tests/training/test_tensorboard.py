"""The log of a fold as the package tensorboard reads it."""

import math

from spinefrac.records import EpochRecord
from spinefrac.training import tensorboard


def test_the_metadata_is_that_of_a_scalar():
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR, SummaryMetadata

    metadata = SummaryMetadata.FromString(tensorboard._SCALAR_METADATA)
    assert metadata.plugin_data.plugin_name == "scalars"
    assert metadata.data_class == DATA_CLASS_SCALAR


def test_two_attempts_make_one_curve_and_nan_makes_no_point(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    for epoch, val_auc in ((1, math.nan), (2, 0.75)):
        writer = tensorboard.TensorBoardWriter(tmp_path)
        writer.write_epoch(EpochRecord(0, epoch, 0.5 / epoch, 0.4, val_auc, 1e-3, 2.0), 40.0)
    logs = EventAccumulator(str(tmp_path))
    logs.Reload()
    curves = {
        name: [
            (point.step, float(make_ndarray(point.tensor_proto))) for point in logs.Tensors(name)
        ]
        for name in logs.Tags()["tensors"]
    }
    assert curves["loss"] == [(1, 0.5), (2, 0.25)]
    assert curves["val_auc"] == [(2, 0.75)]
    assert curves["images_per_second"] == [(1, 40.0), (2, 40.0)]
    assert set(curves) >= {"val_loss", "learning_rate", "seconds"}
