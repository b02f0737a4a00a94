"""A request and its response, on a connection that is already there (RFC 9112)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass
class Request:
    """What is sent over a connection, again and again: only the cursor changes.

    `headers` are lines, each with its line end; a `%d` in them is the length of the body.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    transport: str
    headers: str

    async def get(self, cursor: str | None) -> bytes:
        """Ask for what comes after `cursor`; returns the response's head, or raises ValueError if it is a refusal."""
        first = "?hold=0" if self.transport == "long_poll" else ""  # a cursor first, then requests that may be held
        return await self.ask(f"/{self.transport.replace('_', '-')}" + (f"?after={cursor}" if cursor else first))

    async def ask(self, target: str, method: str = "GET", body: str = "") -> bytes:
        """Send a request; returns the response's head, or raises ValueError if it is a refusal."""
        headers = self.headers.replace("%d", str(len(body)))
        self.writer.write(f"{method} {target} HTTP/1.1\r\n{headers}\r\n{body}".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = head[9:12].decode()
        if status not in ("101", "200"):
            raise ValueError(f"{status}: {(await self.body(head)).decode()[:300]}")
        return head

    async def body(self, head: bytes) -> bytes:
        """The body that follows a head: in chunks (section 7.1), or as long as it says."""
        if b"\r\ntransfer-encoding: chunked\r\n" in head.lower():
            chunks = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                chunks += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
            return chunks
        _, _, length = head.lower().partition(b"\r\ncontent-length:")
        return await self.reader.readexactly(int(length.split(b"\r\n")[0]))


Connect = Callable[[str, Request | None], Awaitable[Request]]
"""For requests of this kind (see `clients.headers`): on the connection of another request, or on a new one."""
