"""A request and the head of its answer, on a connection that is already there (RFC 9112)."""

import asyncio
from dataclasses import dataclass


@dataclass
class Request:
    """What is asked again and again: only the cursor changes. `headers` are lines, each with its line end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    transport: str
    headers: str

    async def get(self, cursor: str | None) -> bytes:
        """Send it and return the answer's head; raises ValueError if it is a refusal."""
        first = "?hold=0" if self.transport == "long_poll" else ""  # a cursor first, then questions that may be held
        target = f"/{self.transport.replace('_', '-')}" + (f"?after={cursor}" if cursor else first)
        self.writer.write(f"GET {target} HTTP/1.1\r\n{self.headers}\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = head[9:12].decode()
        if status not in ("101", "200"):
            raise ValueError(f"{status}: {(await self.body(head)).decode()[:300]}")
        return head

    async def body(self, head: bytes) -> bytes:
        """The body that follows a head with a Content-Length."""
        _, _, length = head.lower().partition(b"\r\ncontent-length:")
        return await self.reader.readexactly(int(length.split(b"\r\n")[0]))
