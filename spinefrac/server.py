"""Pages and REST in one process: `spinefrac serve`, or ``uvicorn spinefrac.server:app``.

`spinefrac app` and ``streamlit run app.py`` serve the pages alone.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.routing import Mount
from streamlit import file_util, logger
from streamlit.runtime import exists, get_instance
from streamlit.web import bootstrap

from spinefrac import settings
from spinefrac.api import front_page, lifespan, session
from spinefrac.api.application import PREFIX, build_api
from spinefrac.api.caller import ServerSettings
from spinefrac.api.guard.stack import build_middleware
from spinefrac.system import structured_log
from spinefrac.ui.common import navigation

#: Options that the environment may set; Streamlit itself reads it for `streamlit run` only.
OPTIONS = {
    "server.address": "STREAMLIT_SERVER_ADDRESS",
    "server.port": "STREAMLIT_SERVER_PORT",
    "server.sslCertFile": "STREAMLIT_SERVER_SSL_CERT_FILE",
    "server.sslKeyFile": "STREAMLIT_SERVER_SSL_KEY_FILE",
}


def is_connected(session: str) -> bool:
    """Return whether a session of a page has a browser."""
    return exists() and get_instance().is_active_session(session)


def has_auth() -> bool:
    """Return whether a provider of sign-in is set up in secrets.toml."""
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def describe_server() -> ServerSettings:
    """Return what REST has to know of Streamlit's configuration."""
    headers = {} if has_auth() else st.get_option("server.trustedUserHeaders") or {}
    return ServerSettings(
        bind_address=st.get_option("server.address") or "",
        has_provider=lambda: bool(headers) or has_auth(),
        name_headers=tuple(headers),
    )


def read_page() -> str:
    """Return the HTML that every page begins with."""
    return front_page.name_server(Path(file_util.get_static_dir(), "index.html").read_text("utf-8"))


def make_app() -> st.App:
    """Return the ASGI application of the whole server."""
    api, html = build_api(), read_page()

    @asynccontextmanager
    async def live(_: st.App) -> AsyncIterator[None]:
        async with lifespan.run(api):
            yield

    app = st.App(
        settings.app_script(),
        routes=[
            Mount(PREFIX, app=api),
            *session.routes,
            *front_page.make_routes(html, navigation.PAGES),
        ],
        middleware=build_middleware(PREFIX, is_connected, page=html),
        lifespan=live,
    )
    # Only now Streamlit knows whose `.streamlit/config.toml` it is.
    bootstrap.load_config_options({name: os.environ.get(key) for name, key in OPTIONS.items()})
    api.state.server = describe_server()
    return app


# Loggers of Streamlit have handlers of their own, which would write beside `spinefrac serve`.
if structured_log.is_started():
    logger.setup_formatter = structured_log.join
    logger.update_formatter()
app = make_app()
