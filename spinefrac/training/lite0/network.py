"""EfficientNet-Lite0, cut after its middle stages, with the weights of ImageNet in the package.

The network is that of Tan and Le ("EfficientNet: rethinking model scaling for convolutional neural
networks", ICML 2019) in its variant for phones: ReLU6 instead of swish, and no squeeze and
excitation. What its middle stages know of edges and textures holds for CT as well; what comes after
them is about cups and dogs. `convert` wrote the weights: batch normalisation is folded into the
convolutions, and the three input channels of the first one are summed, because a slice is grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spinefrac.training import shipped_weights

if TYPE_CHECKING:
    import keras

#: Name of the shipped weights: kernel and bias of every convolution, from the input on.
WEIGHTS = "lite0-imagenet"
#: Channels of the first convolution.
STEM_CHANNELS = 32


@dataclass(frozen=True)
class Stage:
    """Inverted residual blocks (Sandler et al., "MobileNetV2", CVPR 2018) at one resolution.

    Attributes
    ----------
    blocks : int
    kernel : int
        Side of the depthwise convolutions.
    stride : int
        Of the first block.
    expansion : int
        Channels within a block, as a multiple of those that enter it.
    channels : int
        That leave a block.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


#: The stages that are used. Three more (112, 192 and 320 channels) are left out: their features
#: tell less about a fracture, and they hold most of the weights.
STAGES = (
    Stage(blocks=1, kernel=3, stride=1, expansion=1, channels=16),
    Stage(blocks=2, kernel=3, stride=2, expansion=6, channels=24),
    Stage(blocks=2, kernel=5, stride=2, expansion=6, channels=40),
    Stage(blocks=3, kernel=3, stride=2, expansion=6, channels=80),
)


def build_lite0(size: int) -> keras.Model:
    """Build the network with its weights, frozen.

    Parameters
    ----------
    size : int
        Side S of the input, in pixels.

    Returns
    -------
    keras.Model
        Named ``lite0``: input (N, S, S, 1) float32 in 0…255, output the feature map of the last
        of `STAGES` (N, h, h, 80), h = S / 16 rounded up.
    """
    import keras
    from keras import layers

    image = keras.Input((size, size, 1), name="image")
    # The grey values that it was trained with; the convolutions then see zeros around the slice.
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    x = layers.Conv2D(STEM_CHANNELS, 3, strides=2, padding="same")(x)
    x = layers.ReLU(6.0)(x)
    for stage in STAGES:
        for number in range(stage.blocks):
            x = _block(x, stage, is_first=number == 0)
    model = keras.Model(image, x, name="lite0")
    model.set_weights(list(shipped_weights.read_weights(WEIGHTS)))
    model.trainable = False
    return model


def _block(x: Any, stage: Stage, *, is_first: bool) -> Any:
    """Return one inverted residual block; all but the first of a stage add their input."""
    from keras import layers

    entered, stride = x, stage.stride if is_first else 1
    if stage.expansion > 1:
        x = layers.ReLU(6.0)(layers.Conv2D(x.shape[-1] * stage.expansion, 1)(x))
    x = layers.DepthwiseConv2D(stage.kernel, strides=stride, padding="same")(x)
    x = layers.Conv2D(stage.channels, 1)(layers.ReLU(6.0)(x))
    return x if is_first else layers.Add()([entered, x])
