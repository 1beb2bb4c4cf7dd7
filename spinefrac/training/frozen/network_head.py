"""Fit the head of a network with frozen backbones, from the data of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spinefrac.training import heads
from spinefrac.training.frozen.features import FeatureLoader, FeatureRequest
from spinefrac.training.frozen.logistic_head import Block, fit_head
from spinefrac.training.workspace import RunWorkspace

if TYPE_CHECKING:
    import keras


class NetworkHead:
    """The dense layer of a network, fitted in place on more and more variants of the slices.

    Parameters
    ----------
    model : keras.Model
        Of `spinefrac.training.settings.FROZEN_NETWORKS`, with the head that the fit departs from.
    workspace : RunWorkspace
    rows : int64 array, shape (n,)
        The training slices; nothing is learnt from others.
    variants : int
        The most that are wanted.
    is_cancelled : callable, optional
    """

    def __init__(
        self,
        model: keras.Model,
        workspace: RunWorkspace,
        rows: npt.NDArray[np.int64],
        variants: int,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        settings = workspace.settings
        request = FeatureRequest(
            workspace.inputs,
            variants,
            settings.augmentation,
            settings.seed,
            settings.batch_size,
            workspace.inputs_sha256,
        )
        self._model, self._workspace, self._rows = model, workspace, rows
        self._is_cancelled = is_cancelled
        self._loader = FeatureLoader(build_pooled_model(model), request, is_cancelled)
        self._blocks = list_blocks(model)  # before a fit replaces the head that knows
        self._plain = np.empty((0, 0), np.float32)  # (N, F) of the slices as they are, once loaded
        self._features: list[npt.NDArray[np.float32]] = []  # (n, F) of each variant
        self._strengths: dict[str, float] | None = None

    def fit(
        self, variants: int, on_batch: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.float64]:
        """Fit on the slices as they are and `variants` augmented variants of each.

        Parameters
        ----------
        variants : int
        on_batch : callable, optional
            Called with the batches of features that are done, and all of them.

        Returns
        -------
        float64 array, shape (N,)
            Logits of all slices as they are, also of those that were not trained on.

        Raises
        ------
        Cancelled
            `is_cancelled` returned True.
        """
        workspace, rows = self._workspace, self._rows
        for number in range(len(self._features), variants + 1):
            found = self._loader.load(number, on_batch)
            self._plain = found if number == 0 else self._plain
            self._features.append(found[rows])
        head = fit_head(
            np.stack(self._features),
            workspace.labels[rows],
            workspace.groups[rows],
            self._blocks,
            bags=None if workspace.bags is None else workspace.bags[rows],
            strengths=self._strengths,
            class_weights=workspace.settings.class_weights,
            seed=workspace.settings.seed,
            is_cancelled=self._is_cancelled,
        )
        self._strengths = head.strengths
        bias = np.array([head.bias], np.float32)
        self._model.get_layer("logit").set_weights([head.kernel[:, None].astype(np.float32), bias])
        return head.predict(self._plain)


def build_pooled_model(model: keras.Model) -> keras.Model:
    """Return the network up to what its head pools; it shares the layers."""
    import keras

    return keras.Model(model.input, model.get_layer("pooled").output)


def list_blocks(model: keras.Model) -> list[Block]:
    """Return what the head pools of each backbone; a part of the head that knows is its prior."""
    kernel = model.get_layer("logit").get_weights()[0][:, 0]
    blocks, start = [], 0
    for backbone in heads.list_backbones(model):
        size = 2 * backbone.output.shape[-1]
        known = kernel[start : start + size]
        blocks.append(Block(backbone.name, size, known if known.any() else None))
        start += size
    return blocks
