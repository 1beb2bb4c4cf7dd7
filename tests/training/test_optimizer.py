"""The optimizer: its rate over the steps, and what its weight decay spares."""

import numpy as np
import pytest

from spinefrac.training.optimizer import build_optimizer, build_schedule


def test_the_rate_rises_to_the_highest_and_falls_to_zero():
    rate = build_schedule(0.02, warmup_steps=10, decay_steps=90)
    rates = [float(np.asarray(rate(step))) for step in range(101)]
    assert rates[0] == pytest.approx(0.02 / 25)
    assert max(rates) == rates[10] == pytest.approx(0.02)
    assert np.all(np.diff(rates[:11]) > 0) and np.all(np.diff(rates[10:]) < 0)
    assert rates[100] == pytest.approx(0, abs=1e-8)


def test_biases_and_batch_normalisation_do_not_decay():
    import keras

    layer = keras.layers.Dense(1)
    layer.build((None, 2))
    optimizer = build_optimizer(0.01, weight_decay=0.1, warmup=0.1, steps=0, ema_momentum=0.9)
    optimizer.build(layer.trainable_variables)
    kernel, bias = layer.trainable_variables
    assert optimizer._use_weight_decay(kernel) and not optimizer._use_weight_decay(bias)
    assert optimizer.use_ema and optimizer.ema_momentum == 0.9
