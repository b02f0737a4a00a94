"""picows, a WebSocket library in Cython for asyncio."""

import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from experiments.bench.peers.control import BACKLOG, Messages, obey


class Reader(WSListener):  # type: ignore[misc]  # it may not be installed
    def __init__(self, transports: set[WSTransport]) -> None:
        self.transports = transports

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transports.add(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transports.discard(transport)


async def main(text: str) -> None:
    messages, transports = Messages(text), set[WSTransport]()

    def reader(_: WSUpgradeRequest) -> Reader:
        return Reader(transports)

    async def publish(count: int) -> None:
        for _ in range(count):
            message = messages.next_json().encode()
            for transport in transports:
                transport.send(WSMsgType.TEXT, message)

    server = await ws_create_server(reader, "127.0.0.1", 0, backlog=BACKLOG)
    await obey(publish, server.sockets[0].getsockname()[1])


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
