"""A TCP proxy between the program and a device: it passes every byte on as it came and keeps what was said."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from tests.acceptance.wire import Listener, Said, exceptions


@dataclass(slots=True)
class Record:
    """What one proxy saw since it began."""

    requests: list[Said] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)  # exceptions in answers
    connections: int = 0
    sent: int = 0  # bytes to the device
    received: int = 0  # bytes from it

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind of request went out."""
        return dict(Counter(one.what for one in self.requests))


class RecordingProxy:
    """Listens on the loopback for one device; `kind` is tcp, rtu or opcua. A device that is gone hangs up at once."""

    def __init__(self, kind: str, target_port: int) -> None:
        self.kind, self.target_port = kind, target_port
        self.record = Record()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "RecordingProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.record.connections += 1
        device: asyncio.StreamWriter | None = None
        try:
            answers, device = await asyncio.open_connection("127.0.0.1", self.target_port)
            ways = [asyncio.create_task(self._out(reader, device)), asyncio.create_task(self._back(answers, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, device):
                if end is not None:
                    end.close()

    async def _out(self, reader: asyncio.StreamReader, device: asyncio.StreamWriter) -> None:
        listener = Listener(self.kind)
        try:
            while data := await reader.read(65_536):
                self.record.sent += len(data)
                self.record.requests += listener.hear(data)
                device.write(data)
                await device.drain()
        finally:
            self.record.requests += listener.end()

    async def _back(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener = exceptions(self.kind)()
        while data := await answers.read(65_536):
            self.record.received += len(data)
            self.record.refusals.update(one.what for one in listener.hear(data))
            writer.write(data)
            await writer.drain()
