"""How requests are refused."""

import asyncio

from spinefrac.api.guard.refusal import refuse


def test_a_connection_that_is_to_become_a_websocket_is_closed():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(refuse({"type": "websocket"}, None, send, 403, "no", "host"))
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "host"}]
