"""Sign-in in a real browser: by invitation and password, by a real OIDC provider, and without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from spinefrac.access import users
from spinefrac.access.policy import Role
from spinefrac.access.users import Kind
from tests.support.browser import PATIENCE, find_free_port, serve

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright drives the browser, and it is not installed"
)
provider = pytest.importorskip("oidc_provider_mock", reason="`make test` installs the provider")

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect = playwright.expect
PASSWORD = "correct horse battery"
SERVE = ("-m", "spinefrac", "serve", "--host", "0.0.0.0", "--port")
STREAMLIT = (
    *("-m", "streamlit", "run", "app.py", "--server.address", "0.0.0.0"),
    *("--server.headless", "true", "--server.port"),
)


def run(
    home: Path, command: tuple[str, ...] = SERVE, port: int | None = None
) -> AbstractContextManager[str]:
    """Run a server that listens on every address; give its address."""
    return serve(home, command, {"SPINEFRAC_HOME": str(home), "HOME": str(home)}, port)


@contextmanager
def opened(browser, url: str) -> Iterator[playwright.Page]:
    """Open an address in a browser of its own."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, of this process too."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


def test_from_invitation_to_password_to_reload_and_sign_out(browser, home) -> None:
    with run(home) as url:
        with opened(browser, f"{url}/models") as page:
            expect(page.get_by_text("nobody is invited yet")).to_be_visible()
            expect(page.get_by_role("heading", name="Models")).not_to_be_visible()
        users.add("kim", Role.TRAINER)
        link = users.make_invitation_link(url, users.issue("kim", Kind.INVITATION))
        with opened(browser, link) as page:
            page.get_by_label("Password of at least 12 characters").fill(PASSWORD)
            page.get_by_label("The same once more").fill(PASSWORD)
            with page.expect_response("**/session"):
                page.get_by_role("button", name="Save password").click()
            expect(page.get_by_text("Signed in as kim (trainer)")).to_be_visible()
            assert "invitation" not in page.url
            seen = page.evaluate("async () => (await cookieStore.getAll()).map(one => one.name)")
            assert "spinefrac_session" not in seen  # the browser has it, and scripts do not
            cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
            kept = cookies["spinefrac_session"]
            assert kept["httpOnly"] and kept["sameSite"] == "Strict"
            page.goto(f"{url}/models")
            expect(page.get_by_text("Signed in as kim (trainer)")).to_be_visible()
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_label("Name")).to_be_visible()
            page.reload()
            page.get_by_label("Name").fill("kim")
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.get_by_role("button", name="Sign in", exact=True).click()
            expect(page.get_by_text("Signed in as kim (trainer)")).to_be_visible()
            assert page.url.startswith(f"{url}/models")  # where the person wanted to go
            users.remove("kim")
            page.wait_for_timeout(1100)  # so long who it is is not looked up again
            page.get_by_role("link", name="Metrics").click()
            expect(page.get_by_text("nobody is invited yet")).to_be_visible()


def test_by_a_real_provider(browser, home) -> None:
    port = find_free_port()
    known = provider.User(sub="kim-1", claims={"email": "kim@example.org", "email_verified": True})
    unverified = provider.User(
        sub="mallory", claims={"email": "kim@example.org", "email_verified": False}
    )
    users.add("kim@example.org", Role.VIEWER)
    with provider.run_server_in_thread(user_claims=[known, unverified]) as issuer:
        secrets = home / ".streamlit" / "secrets.toml"
        secrets.parent.mkdir()
        secrets.write_text(
            "[auth]\n"
            f'redirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
            'cookie_secret = "only for this test, and long enough"\n'
            'client_id = "spinefrac"\nclient_secret = "secret"\n'
            "server_metadata_url = "
            f'"http://localhost:{issuer.server_port}/.well-known/openid-configuration"\n'
        )
        with run(home, port=port) as url:
            for subject, shown in (
                ("kim-1", "Signed in as kim@example.org (viewer)"),
                ("mallory", "nobody of that name was invited"),
            ):
                with opened(browser, url) as page:
                    page.get_by_role("button", name="Sign in with your organisation").click()
                    page.get_by_label("Subject").or_(page.locator("input[name=sub]")).first.fill(
                        subject
                    )
                    page.get_by_role("button", name="Authorize").click()
                    expect(page.get_by_text(shown)).to_be_visible()
                    if subject == "kim-1":
                        page.reload()
                        expect(page.get_by_text(shown)).to_be_visible()
                        page.get_by_role("button", name="Sign out").click()
                        page.get_by_role("button", name="End session").click()  # the provider's
                        expect(
                            page.get_by_role("button", name="Sign in with your organisation")
                        ).to_be_visible()


def test_streamlit_run_on_every_address_is_no_open_door(browser, home) -> None:
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    users.add("kim", Role.VIEWER)
    sessions: list[str] = []

    def note_session(frame: bytes | str) -> None:
        message = ForwardMsg.FromString(frame) if isinstance(frame, bytes) else ForwardMsg()
        if message.WhichOneof("type") == "new_session":
            sessions.append(message.new_session.initialize.session_id)

    def upload(page: playwright.Page) -> int:
        """Send a file as the uploader of the page would; return the status."""
        return page.evaluate(
            """async session => {
                const xsrf = (await cookieStore.get('_streamlit_xsrf'))?.value ?? ''
                const body = new FormData()
                body.append('file', new Blob(['x']), 'x.png')
                return (await fetch(`_stcore/upload_file/${session}/one`, {
                    method: 'PUT', body, headers: {'X-Xsrftoken': xsrf}})).status
            }""",
            sessions[-1],
        )

    with (
        run(home, STREAMLIT) as url,
        opened(browser, "about:blank") as page,
    ):
        page.on("websocket", lambda opening: opening.on("framereceived", lambda f: note_session(f)))
        page.goto(url)
        expect(page.get_by_label("Name")).to_be_visible()
        expect(page.locator("[data-testid=stFileUploader]")).to_have_count(0)
        assert upload(page) == 403
        page.get_by_text("Sign in with a token").click()
        page.get_by_label("Token").fill(users.issue("kim", Kind.REST))
        page.get_by_role("button", name="Sign in with token").click()
        expect(page.get_by_text("Signed in as kim (viewer)")).to_be_visible()
        assert upload(page) == 204
