"""A client of REST: ``python examples/rest_client.py SERVER SLICE [SLICE…]``.

SERVER is the address of `spinefrac serve`, such as http://127.0.0.1:8501. On another machine it
needs a token, which ``spinefrac users token NAME`` prints; give it in the variable TOKEN.
"""

import os
import sys
from pathlib import Path

import httpx


def main(server: str, paths: list[Path]) -> None:
    """Predict on slices in one request."""
    token = os.environ.get("TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    files = [("files", (path.name, path.read_bytes())) for path in paths]
    answer = httpx.post(f"{server}/api/v1/predict", files=files, headers=headers, timeout=60)
    if answer.is_error:
        raise SystemExit(f"{answer.status_code}: {answer.json()['detail']}")
    for prediction in answer.json():
        if "error" in prediction:
            print(f"{prediction['file']}: {prediction['error']}")
        else:
            print(f"{prediction['file']}: {prediction['label']}, {prediction['probability']:.0%}")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), [Path(name) for name in sys.argv[2:]])
