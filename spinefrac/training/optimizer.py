"""The optimizer: AdamW with a linear warm-up and a half cosine to zero, and averaged weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

#: The warm-up begins at the highest rate divided by this.
_FIRST_RATE_DIVISOR = 25


def build_schedule(
    highest_rate: float, warmup_steps: int, decay_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a rate that rises linearly to the highest, then falls along a half cosine to zero."""
    import keras

    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=highest_rate / _FIRST_RATE_DIVISOR,
        warmup_target=highest_rate,
        warmup_steps=warmup_steps,
        decay_steps=decay_steps,
    )


def build_optimizer(
    highest_rate: float, weight_decay: float, warmup: float, steps: int, ema_momentum: float
) -> keras.optimizers.Optimizer:
    """Return an AdamW that averages the weights.

    Parameters
    ----------
    highest_rate : float
    weight_decay : float
        Decoupled; biases and batch normalisation are spared.
    warmup : float
        Share of all steps.
    steps : int
        Of the whole training.
    ema_momentum : float
        Of the moving average of the weights.
    """
    import keras

    warmup_steps = max(1, round(warmup * steps))
    optimizer = keras.optimizers.AdamW(
        build_schedule(highest_rate, warmup_steps, max(1, steps - warmup_steps)),
        weight_decay=weight_decay,
        use_ema=True,
        ema_momentum=ema_momentum,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
