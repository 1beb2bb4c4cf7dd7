"""``predict.py`` of an export: predictions without the spinefrac package.

The export carries copies of the modules that preprocess a slice here, in a small package of
their own, so that there is only one preprocessing. The script is run on synthetic slices and
compared with this package before the export is written.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac import records
from spinefrac.errors import ModelError
from spinefrac.exchange import verification_slices
from spinefrac.imaging import bone_crop, hounsfield, median, preprocess
from spinefrac.records import NOT_A_MEDICAL_DEVICE
from spinefrac.store import repository

#: The modules that preprocessing needs, and the package in the export that holds them.
PREPROCESSING_MODULES = (records, hounsfield, median, bone_crop, preprocess)
PREPROCESSING_PACKAGE = "spinefrac_preprocessing"

PREDICT_SCRIPT = '''"""Probability of a fracture on 8-bit grey images: python predict.py IMAGE…

{warning}
Needs the packages in requirements.txt.
"""
import json, sys
from pathlib import Path
import numpy as np, onnxruntime
from PIL import Image
from preprocessing import to_input
model = Path(__file__).parent / "model"
card = json.loads((model / "card.json").read_text("utf-8"))
how, temperature = card["preprocessing"], card["calibration"]["temperature"]
network = onnxruntime.InferenceSession(str(model / "serving.onnx"))
for name in sys.argv[1:]:
    image = to_input(np.asarray(Image.open(name).convert("L")), how["size"], how["bone_crop"])
    logits = network.run(["logits"], {{"image": image[None, :, :, None].astype(np.float32)}})[0]
    print(f"{{name}}: {{1 / (1 + np.exp(-logits.astype(float).mean() / temperature)):.6f}}")
'''

PREPROCESSING_SCRIPT = f'''"""8-bit grey image to network input; needs NumPy and OpenCV."""
import numpy as np
from {PREPROCESSING_PACKAGE} import preprocess
from {PREPROCESSING_PACKAGE}.records import CtSlice, Preprocessing

def to_input(grey: np.ndarray, size: int, bone_crop: bool) -> np.ndarray:
    """Return the network's input, uint8 (size, size), of a grey image, uint8 (H, W)."""
    ct = CtSlice(np.asarray(grey, np.float32), calibrated=False, format="png")
    return preprocess.to_input(ct, Preprocessing(size=size, bone_crop=bone_crop)).pixels
'''

REQUIREMENTS = "numpy>=2.1\nopencv-python-headless>=4.10\npillow>=12\nonnxruntime>=1.24\n"

#: Runs a script where every module is missing but those that it may need: SCRIPT IMAGE…
#: After the lines of the script it prints the inputs that were prepared, as hexadecimal digits.
#: They are not written to a file, because an export that is killed leaves this process running.
ISOLATED_RUNNER = f"""
import importlib.abc, runpy, sys
allowed = {{"numpy", "cv2", "PIL", "onnxruntime", "preprocessing", {PREPROCESSING_PACKAGE!r}}}
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in allowed or top in sys.stdlib_module_names or top.startswith("_"):
            return None
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.dont_write_bytecode = True
script, *images = sys.argv[1:]
sys.path.insert(0, script.rpartition("predict.py")[0])
import preprocessing
inputs, to_input = [], preprocessing.to_input
def record(*arguments):
    inputs.append(to_input(*arguments))
    return inputs[-1]
preprocessing.to_input = record
sys.argv = [script, *images]
runpy.run_path(script, run_name="__main__")
print(b"".join(image.tobytes() for image in inputs).hex())
"""


def write_script(folder: Path) -> None:
    """Write ``predict.py``, ``preprocessing.py`` and what they need into an export's folder."""
    script = PREDICT_SCRIPT.format(warning=NOT_A_MEDICAL_DEVICE)
    (folder / "predict.py").write_text(script, encoding="utf-8")
    (folder / "preprocessing.py").write_text(PREPROCESSING_SCRIPT, encoding="utf-8")
    (folder / "requirements.txt").write_text(REQUIREMENTS, encoding="utf-8")
    package = folder / PREPROCESSING_PACKAGE
    package.mkdir()
    (package / "__init__.py").write_text(
        '"""Copies of the modules of spinefrac that preprocess a slice."""\n', encoding="utf-8"
    )
    for module in PREPROCESSING_MODULES:
        name = module.__name__.rpartition(".")[2]
        source = _make_self_contained(inspect.getsource(module))
        (package / f"{name}.py").write_text(source, encoding="utf-8")


def _make_self_contained(source: str) -> str:
    """Replace ``from spinefrac.imaging.MODULE import`` by an import within one package.

    Limits of values that are read from files, which msgspec checks, become plain dictionaries:
    an export reads no such values.
    """
    source = re.sub(r"^from msgspec import Meta$", "Meta = dict", source, flags=re.M)
    return re.sub(
        r"^from spinefrac\.(?:imaging\.)?(\w+) import", r"from .\1 import", source, flags=re.M
    )


def verify_script(model: repository.SavedModel, folder: Path, scratch: Path) -> dict[str, Any]:
    """Run the script of an export on synthetic slices and compare it with this package.

    Parameters
    ----------
    model : SavedModel
        What was exported.
    folder : Path
        Holds ``predict.py``, see `write_script`, and the model in ``model/``.
    scratch : Path
        For the images.

    Returns
    -------
    dict
        ``slices``, ``largest_difference`` of a probability, ``largest_grey_difference`` of an
        input in 0…255.

    Raises
    ------
    ModelError
        The script fails.
    """
    from spinefrac.inference.predictor import Predictor

    slices = verification_slices.render_slices()
    probabilities, inputs = run_script(folder / "predict.py", write_images(scratch))
    expected = np.array([p.probability for p in Predictor(model).predict_many(slices)])
    expected_inputs = verification_slices.render_inputs(model.preprocessing)
    inputs = inputs.reshape(expected_inputs.shape)
    return {
        "slices": len(probabilities),
        "largest_difference": float(np.abs(probabilities - expected).max()),
        "largest_grey_difference": int(np.abs(inputs.astype(int) - expected_inputs).max()),
    }


def write_images(folder: Path) -> list[Path]:
    """Write the synthetic slices as PNG files; return their paths in order."""
    from PIL import Image

    paths = []
    for number, ct in enumerate(verification_slices.render_slices()):
        paths.append(folder / f"{number:02}.png")
        Image.fromarray(ct.pixels.astype(np.uint8)).save(paths[-1])
    return paths


def run_script(script: Path, images: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Run ``predict.py`` with nothing but the packages that it names.

    Returns
    -------
    probabilities : float64 array, shape (N,)
    inputs : uint8 array, shape (N * S * S,)

    Raises
    ------
    ModelError
        The script fails.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-c", ISOLATED_RUNNER, str(script), *map(str, images)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
        raise ModelError(f"predict.py of the export does not run ({last}): nothing was exported")
    *lines, inputs = done.stdout.splitlines()
    probabilities = np.array([float(line.rpartition(": ")[2]) for line in lines])
    return probabilities, np.frombuffer(bytes.fromhex(inputs), np.uint8)
