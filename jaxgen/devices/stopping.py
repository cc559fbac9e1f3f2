"""Ends a run early: on request, or because another process is gone.

A collective mostly fails by itself if a process is gone. During a long phase on the host there is no collective. JAX
then notices missing heartbeats after 100 s and aborts. Here each process holds a connection to the primary process. The
system closes the connection when either process ends, for any reason. There is no timeout, so a slow, busy or halted
process is never taken for dead. A machine without power or network closes nothing. JAX's heartbeats find it.
"""

import atexit
import contextlib
import ctypes
import hmac
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jax
from jax._src import distributed

from jaxgen.devices import processes

log = logging.getLogger(__name__)
_CONNECT_WITHIN = 60.0
# Seconds in which a process may end by itself, with a better reason: JAX aborts the others soon after the primary one.
_PATIENCE, _PATIENCE_WITH_PRIMARY = 5.0, 2.0
_BYE, _LOST = b"b", b"l"
_TOKEN = 16


class Stop:
    """`stop(step)` in training, else `stop()`: whether the run was asked to save and end. True stays true.

    With several processes, all must ask alike, and all get the same answers (`processes.reached_notice`).
    """

    def __init__(self):
        self._asked, self._interrupts, self._last = False, 0, 0

    def __call__(self, step: int = 0) -> bool:
        if processes.are_several() and not self._asked:
            # A dispatch is several steps, and the one that is agreed on may be any of them; of a notice from before the
            # first question it is step 1, also in a run that goes on from a later one.
            first, self._last = self._last + 1, max(step, self._last + 1)
            self._asked = any(map(processes.reached_notice, range(first, self._last + 1)))
        return self._asked

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Inside the block, SIGTERM and Ctrl-C ask the run to save and end. A second Ctrl-C ends it at once.

        Outside the main thread Python allows no signal handlers, so the block just runs.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # Of several processes SIGTERM is JAX's: a handler in Python would take it from its preemption service.
        numbers = (signal.SIGINT,) if processes.are_several() else (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self._ask) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number, frame) -> None:
        del frame
        self._interrupts += number == signal.SIGINT
        if number == signal.SIGINT and (self._asked or self._interrupts > 1):
            raise KeyboardInterrupt
        if processes.are_several():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            self._asked = True


class _Connections:
    """Connections of this process: of the primary one to each other one, of these to the primary one."""

    def __init__(self, folder: Path):
        self._folder, self._over = folder, False
        self._connections: dict[int, socket.socket] = {}

    def follow(self, index: int, connection: socket.socket) -> None:
        """Watches process `index` in a thread of its own."""
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # or routers forget a silent connection
        self._connections[index] = connection
        threading.Thread(target=self._listen, args=(index, connection), daemon=True).start()

    def close(self) -> None:
        """Says good-bye. Any later end of a connection is a proper end."""
        self._over = True
        self._tell(_BYE)

    def _tell(self, word: bytes) -> None:
        for connection in self._connections.values():
            with contextlib.suppress(OSError):
                connection.sendall(word)

    def _listen(self, index: int, connection: socket.socket) -> None:
        try:
            word = connection.recv(1)
        except OSError:
            word = b""
        if word == _BYE or self._over:
            return
        which = "another process is lost" if word == _LOST else f"process {index} has closed its connection"
        if processes.is_primary():
            self._tell(_LOST)  # before the primary process ends: JAX aborts the others then
        time.sleep(_PATIENCE if processes.is_primary() else _PATIENCE_WITH_PRIMARY)
        if not self._over:
            processes.leave(f"jaxgen: error: {processes.how_to_go_on(which, self._folder)}", 1)


def watch_processes(folder: Path) -> None:
    """From here on, a lost process ends the others. All processes call this. With one process it does nothing.

    Args:
      folder: the work directory. The message says at which step the same command continues.
    """
    if not processes.are_several():
        return
    connections = _Connections(folder)
    if processes.is_primary():
        listener = processes.listener()
        _, token = processes.share((listener.getsockname()[1], secrets.token_bytes(_TOKEN)))
        threading.Thread(target=_accept, args=(connections, listener, token), daemon=True).start()
    else:
        _connect(connections, *processes.share(None))
    atexit.register(connections.close)  # before JAX's own end, where processes wait for each other


def _accept(connections: _Connections, listener: socket.socket, token: bytes) -> None:
    """Accepts connections of the other processes. A client without the token is refused."""
    missing, deadline = set(range(1, jax.process_count())), time.monotonic() + _CONNECT_WITHIN
    with listener:
        while missing and (left := deadline - time.monotonic()) > 0:
            listener.settimeout(left)
            with contextlib.suppress(OSError, ValueError):
                connection, _ = listener.accept()
                connection.settimeout(5)
                greeting = connection.recv(_TOKEN + 4, socket.MSG_WAITALL)
                index = int.from_bytes(greeting[_TOKEN:], "big")
                if hmac.compare_digest(greeting[:_TOKEN], token) and index in missing:
                    missing.remove(index)
                    connections.follow(index, connection)
                else:
                    connection.close()
    if missing:
        log.warning("processes %s have not connected: their loss may be noticed late", sorted(missing))


def _connect(connections: _Connections, port: int, token: bytes) -> None:
    host = distributed.global_state.coordinator_address.rsplit(":", 1)[0].strip("[]")
    try:
        connection = socket.create_connection((host, port), timeout=_CONNECT_WITHIN / 2)
        connection.sendall(token + jax.process_index().to_bytes(4, "big"))
    except OSError:
        return  # the primary process tells
    connections.follow(0, connection)
    _delay_aborts()


def _delay_aborts() -> None:
    """Delays JAX's abort by six seconds when the primary process is gone, so that the error line is printed first.

    The handler is the C library's sleep(), which takes the signal's number, 6, for seconds. Then the abort goes on. A
    handler in Python could not run there. It would not be safe either: memory errors may cause the abort.
    """
    library = ctypes.CDLL(None)
    library.signal.argtypes, library.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    library.signal(signal.SIGABRT, ctypes.cast(library.sleep, ctypes.c_void_p))
