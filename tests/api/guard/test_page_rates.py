"""How often an address may connect to pages."""

from spinefrac.api import rates


def test_page_connections_of_an_address_are_limited(client, monkeypatch):
    rates._get_limiter.cache_clear()
    monkeypatch.setattr(rates, "PER_ADDRESS", 2)
    statuses = [client.get("/_stcore/stream").status for _ in range(3)]
    assert statuses == [404, 404, 429]
    uploads = [client.ask("PUT", "/_stcore/upload_file/open/1", b"x").status for _ in range(4)]
    assert uploads == [404] * 4  # a folder is many files
    rates._get_limiter.cache_clear()
