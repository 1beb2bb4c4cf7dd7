"""From a DICOM file to a report: ``python examples/dicom_to_report.py [SLICE.dcm]``.

It uses the default model and never TensorFlow. Of the patient the report names nothing. Not a
medical device: for research and teaching only, never for a decision about a patient.
"""

import sys
from pathlib import Path

from spinefrac import imaging
from spinefrac.inference.predictor import get_predictor
from spinefrac.report import pdf
from spinefrac.report.prediction_report import ReportSlice, build_prediction_report

SAMPLE = Path(__file__).parents[1] / "spinefrac" / "ui" / "samples" / "fracture-1.dcm"


def main(path: Path) -> None:
    """Predict on a slice, and write the report."""
    content = path.read_bytes()
    ct = imaging.read(content)
    predictor = get_predictor()
    prediction = predictor.predict(ct)
    print(
        f"{prediction.label}: {prediction.probability:.0%} (threshold {prediction.threshold:.0%})"
    )
    document = build_prediction_report(
        [ReportSlice("Slice 1", ct, prediction, content)], predictor.model
    )
    Path("report.pdf").write_bytes(pdf.render(document))
    print("wrote report.pdf")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE)
