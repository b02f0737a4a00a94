"""Engine.IO over WebSocket: takes over from python-engineio, which has four tasks and a queue for each session.

Here a session's own task reads, and what it sends is written at once. So nothing waits in between that the hub's
messages could overtake, and a session that waits for messages costs no more than any other WebSocket.
"""

import asyncio
import contextlib
import logging
from typing import Any

from engineio.packet import CLOSE, NOOP, PING, PONG, UPGRADE, Packet

TYPES = tuple("0123456")  # the first character of a packet

UPGRADE_S = 10.0
"""How long a probe may take. Until it is over, polls get empty responses."""

# What it logs as errors, with tracebacks, are the clients' mistakes.
LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.CRITICAL)


class WebSocketDriver:
    """What python-engineio calls a driver: it is made for each session's WebSocket, and speaks on it until its end.

    The hub finds the connection in `session.session`, which is an empty dict as long as the session is polled.
    """

    def __init__(self, handler: Any, _: object) -> None:
        self._session: Any = handler.__self__

    async def __call__(self, environ: dict[str, Any]) -> str:
        """Speak Engine.IO on the WebSocket of this request until one side closes it."""
        session, scope = self._session, environ["asgi.scope"]
        self._receive, self._send = environ["asgi.receive"], environ["asgi.send"]
        environ.clear()  # kilobytes, which nobody needs until the end
        await self._send({"type": "websocket.accept"})
        try:
            if session.connected and not await self._is_upgraded():
                return ""  # the session continues to be polled
            session.connected = session.upgraded = True
            while not session.queue.empty():  # what a poll would have taken
                await self._write(session.queue.get_nowait())
                session.queue.task_done()
            session.send = self._write
            session.session |= {"state": scope.get("state", {}), "http_version": scope["http_version"]}
            while (packet := await self._read()) and not session.closed:
                try:
                    await session.receive(packet)
                except Exception:
                    LOGGER.exception("this packet is not accepted")
            await session.close(wait=False, abort=True, reason=session.server.reason.TRANSPORT_CLOSE)
        finally:
            session.upgrading = False
            await self._close()
        return ""

    async def _is_upgraded(self) -> bool:
        """Whether the client probes the WebSocket and then decides for it. Meanwhile, polls get empty responses."""
        session = self._session
        session.upgrading = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UPGRADE_S):
                probe = await self._read()
                if probe and (probe.packet_type, probe.data) == (PING, "probe"):
                    await self._write(Packet(PONG, "probe"))
                    await session.queue.put(Packet(NOOP))  # the response to the poll that is held
                    decision = await self._read()
                    return bool(decision and decision.packet_type == UPGRADE)
        return False

    async def _read(self) -> Packet | None:
        """The client's next packet; None when it has gone, or for a frame that is not a packet."""
        received = await self._receive()
        text, binary = received.get("text"), received.get("bytes")
        if binary is None and (text or "")[:1] not in TYPES:
            return None
        return Packet(encoded_packet=text if binary is None else binary)

    async def _write(self, packet: Packet | None) -> None:
        if packet and packet.packet_type == CLOSE:  # nobody has to wait until a client that does not read has taken it
            self._goodbye = asyncio.ensure_future(self._say_goodbye(packet))
        elif packet:
            with contextlib.suppress(OSError, RuntimeError):  # it has gone; the reading side notices, too
                await self._send({"type": "websocket.send", "text": packet.encode()})

    async def _say_goodbye(self, packet: Packet) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            await self._send({"type": "websocket.send", "text": packet.encode()})
        await self._close()

    async def _close(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            await self._send({"type": "websocket.close"})
