"""Figures for Prometheus."""

from prometheus_client.parser import text_string_to_metric_families

from spinefrac.access.policy import Role


def read(client):
    answer = client.get("/api/v1/metrics")
    assert answer.status == 200
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_and_slices_are_counted(client, slice_file):
    before = read(client)
    client.post_files("/api/v1/predict", [("files", "Doe^Jane.dcm", slice_file)])
    client.get("/api/v1/models/Doe-Jane")
    after = read(client)
    predicted = ("spinefrac_slices_total", ("outcome", "predicted"))
    assert after[predicted] == before.get(predicted, 0) + 1
    timed = ("spinefrac_predict_seconds_count",)
    assert after[timed] > before[timed]
    assert any(("area", "/api/v1/models/{model_id}") in key for key in after)
    assert not any("Doe" in str(key) for key in after)


def test_an_admin_may_see_them(as_role):
    statuses = [as_role(role).get("/api/v1/metrics").status for role in (None, Role.VIEWER)]
    assert statuses == [401, 403]
    assert as_role(Role.ADMIN).get("/api/v1/metrics").status == 200
