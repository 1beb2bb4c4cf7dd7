"""The formats of an export: each is converted, loaded again in a fresh process and compared.

8-bit LiteRT (int8 quantization) changes the predictions; how much is measured on labelled
synthetic slices of other patients than the quantization was calibrated on. Agreement is that at
the model's threshold, see `threshold_agreement`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError
from spinefrac.evaluation import compare
from spinefrac.evaluation.calibration import sigmoid
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.exchange import export_worker, threshold_agreement, verification_slices
from spinefrac.exchange.export_worker import ARCHIVE_PATHS
from spinefrac.exchange.threshold_agreement import ThresholdAgreement, compare_at_threshold
from spinefrac.records import GreyImage
from spinefrac.store import repository
from spinefrac.system import sandbox
from spinefrac.system.resource_limits import ResourceLimits

if TYPE_CHECKING:
    from spinefrac.inference.predictor import Predictor

FORMATS = tuple(ARCHIVE_PATHS)
#: In every archive: the saved model has them already.
REQUIRED_FORMATS = ("keras", "onnx")
QUANTIZED_FORMAT = "litert-int8"

#: Largest accepted difference of a probability after a format is loaded again; that of the
#: quantized format is measured.
PROBABILITY_TOLERANCE = 1e-4

_LIMITS = ResourceLimits(file_mib=8192, cpu_s=1800, wall_s=3600)

#: Inputs that the saved model predicts at once.
_BATCH = 16

#: Synthetic slices on which the quantization is calibrated, and others on which it is measured.
_REPRESENTATIVE_SERIES = {"patients": 12, "per_patient": 4, "seed": 41}
_TEST_SERIES = {"patients": 24, "per_patient": 4, "seed": 42}


@dataclass(frozen=True, slots=True)
class FormatVerification:
    """A format after it was loaded again in a fresh process.

    Attributes
    ----------
    format, file : str
        `file` is its path in the archive.
    bytes : int
    largest_difference : float
        Of a probability, over `slices` synthetic slices, from ONNX Runtime on the saved model.
    slices : int
        Slices of the phantom, and blends of them that lie next to the threshold.
    agreement : ThresholdAgreement
        On the same slices, at the threshold of the model.
    milliseconds : float
        For one slice, one at a time, in one process on this machine.
    loss : dict or None
        Fields of `QuantizationLoss`, for 8-bit LiteRT.
    """

    format: str
    file: str
    bytes: int
    largest_difference: float
    slices: int
    agreement: ThresholdAgreement
    milliseconds: float
    loss: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class QuantizationLoss:
    """The effect of int8 quantization on labelled slices that it was not calibrated on.

    `auc_difference` is 8-bit minus float with its 95 % confidence interval over patients;
    `same_calls` is the share of slices with the same predicted class at the model's threshold,
    None where all slices lie on one side of it; `agreement` has the numbers of each side.
    """

    slices: int
    patients: int
    mean_difference: float
    largest_difference: float
    auc_float: float | None
    auc_int8: float | None
    auc_difference: float | None
    auc_interval: tuple[float, float] | None
    same_calls: float | None
    agreement: ThresholdAgreement
    measured_on: str


@dataclass(frozen=True)
class FormatExporter:
    """Converts a saved model in child processes.

    Attributes
    ----------
    model : SavedModel
    folder : Path
        Of the archive; holds the model's own files already.
    scratch : Path
        Home of the child processes.
    """

    model: repository.SavedModel
    folder: Path
    scratch: Path

    @cached_property
    def _predictor(self) -> Predictor:
        from spinefrac.inference.predictor import Predictor

        return Predictor(self.model)

    def export(self, formats: tuple[str, ...]) -> tuple[FormatVerification, ...]:
        """Convert, load again in a fresh process, and compare.

        Raises
        ------
        ModelError
            A format cannot be made of this network, or gives other probabilities.
        """
        if QUANTIZED_FORMAT in formats:
            representative, *_ = verification_slices.render_labelled_inputs(
                self.model.preprocessing, **_REPRESENTATIVE_SERIES
            )
            np.save(self.scratch / "representative.npy", representative)
        if set(formats) - set(REQUIRED_FORMATS):
            self._run_worker("convert", formats)
        inputs = self._render_inputs()
        results = self._predict(formats, inputs)
        expected = predict_reference_logits(self._predictor, inputs)
        return tuple(self._verify(name, results[name], expected) for name in formats)

    def _render_inputs(self) -> GreyImage:
        """Return the synthetic slices, and blends of them next to the threshold, (N, S, S)."""
        inputs = verification_slices.render_inputs(self.model.preprocessing)
        near = threshold_agreement.make_inputs_near_threshold(
            partial(predict_reference_logits, self._predictor),
            inputs,
            _uncalibrated_threshold_logit(self.model),
        )
        return np.concatenate([inputs, near])

    def _predict(self, formats: tuple[str, ...], inputs: GreyImage) -> dict[str, Any]:
        """Return probabilities and time of each format on inputs (N, S, S)."""
        np.save(self.scratch / "inputs.npy", inputs)
        result: dict[str, Any] = self._run_worker("predict", formats, inputs="inputs.npy")
        return result

    def _run_worker(self, action: str, formats: tuple[str, ...], **options: str) -> Any:
        task = {"do": action, "folder": str(self.folder), "scratch": str(self.scratch)}
        return sandbox.run(
            export_worker.handle_task,
            {**task, "formats": list(formats), **options},
            self.scratch,
            _LIMITS,
        )

    def _verify(
        self, name: str, result: dict[str, Any], expected: npt.NDArray[np.float64]
    ) -> FormatVerification:
        """Compare the probabilities of a format with the logits (N,) of the saved model."""
        quantized = name == QUANTIZED_FORMAT
        probabilities = np.array(result["probabilities"])
        difference = float(np.abs(probabilities - sigmoid(expected)).max())
        agreement = compare_at_threshold(
            expected, probabilities, _uncalibrated_threshold_logit(self.model)
        )
        if not quantized and not difference <= PROBABILITY_TOLERANCE:
            raise ModelError(
                f"The {name} file gives other probabilities when it is loaded again, by "
                f"{difference:.2g}, expected at most {PROBABILITY_TOLERANCE:g}: nothing was "
                "exported; leave that format out"
            )
        if not quantized and agreement.beyond_tolerance:
            raise ModelError(
                f"The {name} file differs at the threshold when it is loaded again, for "
                f"{agreement.beyond_tolerance} of {len(expected)} slices, expected none: nothing "
                "was exported; leave that format out"
            )
        path = self.folder / ARCHIVE_PATHS[name]
        files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
        return FormatVerification(
            format=name,
            file=ARCHIVE_PATHS[name],
            bytes=sum(file.stat().st_size for file in files),
            largest_difference=difference,
            slices=len(expected),
            agreement=agreement,
            milliseconds=result["milliseconds"],
            loss=asdict(self._measure_quantization_loss()) if quantized else None,
        )

    def _measure_quantization_loss(self) -> QuantizationLoss:
        """Compare 8-bit with float predictions on slices that it was not calibrated on."""
        inputs, y_true, patients = verification_slices.render_labelled_inputs(
            self.model.preprocessing, **_TEST_SERIES
        )
        result = self._predict((QUANTIZED_FORMAT,), inputs)[QUANTIZED_FORMAT]
        expected = predict_reference_logits(self._predictor, inputs)
        scores = {"int8": np.array(result["probabilities"]), "float": sigmoid(expected)}
        threshold_logit = _uncalibrated_threshold_logit(self.model)
        agreement = compare_at_threshold(expected, scores["int8"], threshold_logit)
        (pair,) = compare.compare_models(
            y_true,
            scores,
            np.array([f"p{patient}" for patient in patients]),
            dict.fromkeys(scores, float(sigmoid(threshold_logit))),
            n_resamples=1000,
        )
        auc, difference = pair.differences["auc"], np.abs(scores["int8"] - scores["float"])
        return QuantizationLoss(
            slices=len(y_true),
            patients=len(set(patients.tolist())),
            mean_difference=float(difference.mean()),
            largest_difference=float(difference.max()),
            auc_float=roc_auc(y_true, scores["float"]),
            auc_int8=roc_auc(y_true, scores["int8"]),
            auc_difference=auc.value,
            auc_interval=auc.interval,
            same_calls=None if agreement.is_one_sided else 1 - agreement.changed / len(y_true),
            agreement=agreement,
            measured_on="synthetic slices of patients that the quantization was not calibrated on",
        )


def predict_reference_logits(predictor: Predictor, inputs: GreyImage) -> npt.NDArray[np.float64]:
    """Return the mean logit of a saved model's networks for each input, (N,)."""
    parts = [predictor.run(inputs[i : i + _BATCH])[0] for i in range(0, len(inputs), _BATCH)]
    mean: npt.NDArray[np.float64] = np.concatenate(parts).astype(np.float64).mean(axis=1)
    return mean


def _uncalibrated_threshold_logit(model: repository.SavedModel) -> float:
    """Return the model's threshold on the logit before calibration."""
    return model.temperature * threshold_agreement.to_logit(model.threshold)
