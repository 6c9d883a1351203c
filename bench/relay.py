"""A relay on loopback that takes its time: hosts that are far away, where the kernel cannot delay packets."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

PIECE = 65536


@dataclass
class Line:
    """What went over a relay.

    :param port: where it listens, on loopback.
    :ivar turns: how often the client said something after the server had: so many times it waited for an answer. The
        handshake of TCP is one more.
    :ivar sent: bytes from the client to the server.
    """

    port: int = 0
    turns: int = 0
    sent: int = 0
    answered: bool = True

    def note(self, client: bool, size: int) -> None:
        """Take note of a piece that arrives."""
        if client:
            self.sent += size
            self.turns += self.answered
        self.answered = not client


@contextlib.contextmanager
def far_away(address: str, port: int, seconds: float) -> Iterator[Line]:
    """Give a line by which a server is reached in so many seconds a round trip."""
    line, ready, stop, loop = Line(), threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: bool) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def collect() -> None:
            piece = b"first"
            while piece:
                try:
                    piece = await reader.read(PIECE)
                except OSError:
                    piece = b""
                pieces.put_nowait((loop.time() + seconds / 2, piece))

        collecting = asyncio.create_task(collect())
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                break
            line.note(client, len(piece))
            writer.write(piece)
        await collecting
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The end cancels it, which asyncio's own callback would tell as an error.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(seconds)
            there, back = await asyncio.open_connection(address, port)
            await asyncio.gather(carry(reader, back, True), carry(there, writer, False))
            writer.close()
            back.close()

    async def serve() -> None:
        async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
            line.port = server.sockets[0].getsockname()[1]
            ready.set()
            await stop.wait()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for each in rest:
                each.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield line
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
