"""A small TCP relay that behaves as an unreliable network does: it passes, stalls, or cuts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple


class _Link(NamedTuple):
    """One relayed connection: the client's side and the server's side."""

    client: socket.socket
    server: socket.socket

    def shut(self) -> None:
        """End both sides; their pumps wake up and see it."""
        for side in self:
            with suppress(OSError):  # this side may have ended before
                side.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Free both sockets; only once no pump uses them."""
        for side in self:
            side.close()


class Relay:
    """Accept TCP connections on `port` and forward them to a Unix socket, with a thread for each direction.

    Args:
        target: the path of the server's Unix socket.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.holding = threading.Event()
        """Set once something is held back by a stall."""
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._closed = False
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def stall(self) -> None:
        """Keep every connection open and let nothing through, new connections included, until `resume`."""
        self.holding.clear()
        self._flowing.clear()

    def resume(self) -> None:
        """Let everything through again, beginning with what was held back."""
        self._flowing.set()

    def cut(self) -> None:
        """Break every connection, and each new one at once, until `mend`."""
        with self._lock:
            self._refusing = True
            links = list(self._links)
            for link in links:  # with the lock, so that no pump closes (and the system reuses) a socket we are to shut
                link.shut()

    def mend(self) -> None:
        """Accept new connections again after a `cut`."""
        with self._lock:
            self._refusing = False

    def close(self) -> None:
        """Cut everything, stop listening and wait for all threads to end."""
        self._closed = True
        self.cut()
        self.resume()
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread that accepts
        for thread in self._threads:
            thread.join(10)
        self._listener.close()
        alive = [thread.name for thread in self._threads if thread.is_alive()]
        assert not alive, f"relay threads still run: {alive}"

    def _start(self, fun: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=fun, args=args, daemon=True, name=f"relay-{self.port}")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        link = _Link(client, server)
        try:
            server.connect(self._target)
        except OSError:
            link.close()  # a server that is down: the client sees its connection end
            return
        with self._lock:
            refused = self._refusing
            if not refused:
                self._links.add(link)
        if not refused:
            back = threading.Thread(target=self._pump, args=(server, client, link), daemon=True)
            back.start()
            self._pump(client, server, link)
            back.join()
            with self._lock:
                self._links.discard(link)
        link.close()

    def _pump(self, source: socket.socket, sink: socket.socket, link: _Link) -> None:
        try:
            while data := source.recv(65536):
                if not self._flowing.is_set():
                    self.holding.set()
                    self._flowing.wait()
                sink.sendall(data)
        except OSError:
            pass  # cut while forwarding
        link.shut()
