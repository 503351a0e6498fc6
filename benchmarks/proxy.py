"""A line with latency: passes connections on, and each piece that a client sends a round trip late.

The handshake is local, so the first piece of a connection waits one more. Answers are not held: what
a client sees is one round trip for each request, as much as it asks for at once, and full speed.
"""

from __future__ import annotations

import asyncio
import sys


class _Client(asyncio.Protocol):
    """The side of the client: what it sends goes on when its time has come."""

    def __init__(self, port: int, delay: float) -> None:
        self._port, self._delay = port, delay
        self._server: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.pause_reading()
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._delay)
        self._server, _ = await loop.create_connection(
            lambda: _Server(self), "127.0.0.1", self._port
        )
        if self.transport is not None:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._delay, self._pass_on, data)

    def _pass_on(self, data: bytes) -> None:
        if self._server is not None and not self._server.is_closing():
            self._server.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._server is not None:
            self._server.abort()

    def pause_writing(self) -> None:
        if self._server is not None:
            self._server.pause_reading()

    def resume_writing(self) -> None:
        if self._server is not None:
            self._server.resume_reading()


class _Server(asyncio.Protocol):
    """The side of the server: what it sends goes on at once."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        if self._client.transport is not None:
            self._client.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._client.transport is not None:
            self._client.transport.close()


async def _serve(port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(port, delay), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Run the command line: PORT-OF-THE-SERVER SECONDS; prints the port that it listens on."""
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))


if __name__ == "__main__":
    main()
