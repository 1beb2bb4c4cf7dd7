"""A session of the app without a browser: the messages that a page of Streamlit exchanges."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import (
    FileUploaderState,
    FileURLs,
    FileURLsRequest,
    UploadedFileInfo,
)
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from websockets.asyncio.client import connect

from spinefrac.access.users import COOKIE

#: How a run of a script ends that is followed by another one.
_GOES_ON = ForwardMsg.ScriptFinishedStatus.FINISHED_EARLY_FOR_RERUN


@dataclass
class PageSession:
    """One session.

    Attributes
    ----------
    address : str
        Of the server.
    connection
        A WebSocket.
    id : str
        Under which the server knows it.
    uploader : str
        Id of the uploader on the page.
    buttons : dict of str to str
        Ids of the buttons on the page, by label.
    fragments : dict of str to float
        Parts that are refreshed by themselves, and how often, in seconds.
    script : str
        Of the page.
    shown_at : float
        When the last prediction came, by `time.perf_counter`.
    """

    address: str
    connection: Any
    id: str = ""
    uploader: str = ""
    buttons: dict[str, str] = field(default_factory=dict)
    fragments: dict[str, float] = field(default_factory=dict)
    script: str = ""
    shown_at: float = 0.0

    @classmethod
    async def open(cls, address: str, page: str, query: str = "", token: str = "") -> PageSession:
        """Connect, signed in where there is a token of a session, and draw a page."""
        url = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
        connection = await connect(
            url, subprotocols=["streamlit"], max_size=None, open_timeout=120, ping_timeout=None,
            additional_headers={"Cookie": f"{COOKIE}={token}"} if token else None,
        )  # fmt: skip
        found = cls(address, connection)
        await found.run(ClientState(page_name=page, query_string=query))
        return found

    async def run(self, state: ClientState) -> float:
        """Have the script, or a fragment of it, run; return the seconds until it has."""
        started = time.perf_counter()
        await self.connection.send(BackMsg(rerun_script=state).SerializeToString())
        while True:
            message = await self._receive()
            has_ended = message.WhichOneof("type") == "script_finished"
            if has_ended and message.script_finished != _GOES_ON:
                return time.perf_counter() - started

    async def refresh(self, fragment: str) -> float:
        """Have a fragment refreshed, as its timer does."""
        state = ClientState(fragment_id=fragment, page_script_hash=self.script, is_auto_rerun=True)
        return await self.run(state)

    async def click(self, label: str) -> float:
        """Click a button that leads to a prediction; return the seconds until it is shown."""
        return await self._change(WidgetState(id=self.buttons[label], trigger_value=True))

    async def upload(self, name: str, content: bytes) -> UploadedFileInfo:
        """Send a file to the server, as the uploader does before the page knows of it."""
        asked = FileURLsRequest(request_id=name, file_names=[name], session_id=self.id)
        await self.connection.send(BackMsg(file_urls_request=asked).SerializeToString())
        message = await self._receive()
        while message.WhichOneof("type") != "file_urls_response":
            message = await self._receive()
        urls: FileURLs = message.file_urls_response.file_urls[0]
        async with httpx.AsyncClient(base_url=self.address, trust_env=False) as client:
            await client.get("/_stcore/health")
            headers = {"X-Xsrftoken": client.cookies["_streamlit_xsrf"]}
            sent = await client.put(urls.upload_url, files={"file": content}, headers=headers)
            sent.raise_for_status()
        return UploadedFileInfo(name=name, size=len(content), file_id=urls.file_id, file_urls=urls)

    async def choose(self, file: UploadedFileInfo) -> float:
        """Predict a file that was sent; return the seconds until the prediction is shown."""
        state = FileUploaderState(uploaded_file_info=[file])
        return await self._change(WidgetState(id=self.uploader, file_uploader_state_value=state))

    async def _change(self, widget: WidgetState) -> float:
        self.shown_at, started = 0.0, time.perf_counter()
        states = WidgetStates(widgets=[widget])
        await self.run(ClientState(page_script_hash=self.script, widget_states=states))
        assert self.shown_at, "the page shows no prediction"
        return self.shown_at - started

    async def close(self) -> None:
        """Leave."""
        await self.connection.close()

    async def _receive(self) -> ForwardMsg:
        message = ForwardMsg()
        message.ParseFromString(await self.connection.recv())
        self._note(message)
        return message

    def _note(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.id = message.new_session.initialize.session_id or self.id
            self.script = message.new_session.page_script_hash or self.script
        elif kind == "navigation":
            self.script = message.navigation.page_script_hash or self.script
        elif kind == "auto_rerun":
            self.fragments[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "delta":
            element = message.delta.new_element
            if element.WhichOneof("type") == "button":
                self.buttons[" ".join(element.button.label.split())] = element.button.id
            elif element.WhichOneof("type") == "file_uploader":
                self.uploader = element.file_uploader.id
            elif 'aria-label="Prediction"' in element.html.body:
                self.shown_at = time.perf_counter()
