import http.server
import socket
import threading
import time

import pytest

from jaxgen.files.reachable import answers


@pytest.fixture
def silent():
    """The address of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/w.pth"


def test_a_silent_server_is_given_up_in_time(silent):
    begun = time.monotonic()
    assert not answers(silent, seconds=0.3)
    assert time.monotonic() - begun < 2


def test_a_resolver_without_a_limit_is_given_up_in_time(monkeypatch):
    released = threading.Event()

    def resolve(*_, **__):
        released.wait(10)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    begun = time.monotonic()
    assert not answers("http://example.invalid/w.pth", seconds=0.3)
    assert time.monotonic() - begun < 2
    released.set()


def test_pages_refusals_and_errors_are_answers():
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(403)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert answers(f"http://127.0.0.1:{server.server_port}/w.pth")
        server.shutdown()
    assert answers("http://127.0.0.1:1/w.pth")  # where nothing listens, which the download itself tells
