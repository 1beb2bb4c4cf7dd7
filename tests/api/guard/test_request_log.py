"""One line a request, without what could name a file or a patient."""

import logging
import time

import pytest

from spinefrac.api.guard.request_log import name_area


def test_no_address_is_logged(client, slice_file, caplog):
    with caplog.at_level(logging.INFO, "spinefrac.requests"):
        client.post_files("/api/v1/predict", [("files", "Doe^Jane.dcm", slice_file)])
        client.get("/api/v1/models/Doe-Jane?name=Doe")
        client.get("/api/v1/Doe")
        client.get("/Doe.html")
        for _ in range(100):  # a line is written after the answer
            records = [one for one in caplog.records if one.name == "spinefrac.requests"]
            if len(records) == 4:
                break
            time.sleep(0.05)
    lines = [record.getMessage() for record in records]
    assert len(lines) == 4 and not any("Doe" in line for line in lines)
    assert lines[0].startswith("POST /api/v1/predict 200 in ")
    assert lines[1].startswith("GET /api/v1/models/{model_id} 404 in ")
    assert lines[2].startswith("GET /api/v1/… 404 in ")
    assert records[0].status == 200


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("/_stcore/stream", "page connection"),
        ("/_stcore/upload_file/a/b", "upload"),
        ("/_stcore/health", "streamlit"),
        ("/media/abc.png", "media"),
        ("/train", "page"),
        ("/api/v1/x", "/api/v1/…"),
    ],
)
def test_areas(path, area):
    assert name_area({"path": path}, "/api/v1") == area
