"""Fetching: only http(s), only public addresses, only so many bytes and seconds."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from magpie.errors import AccessError, MagpieError, MediaError
from magpie.vision import ImageLimits, load_image
from magpie.vision import remote as module
from magpie.vision.remote import fetch

LIMITS = ImageLimits(max_bytes=5000, timeout=2.0)


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (6, 3), (10, 20, 30)).save(stream, "PNG")
    return stream.getvalue()


class Handler(BaseHTTPRequestHandler):
    """A little server whose paths are the cases."""

    def do_GET(self) -> None:
        if self.path == "/a.png":
            self._send(200, picture())
        elif self.path == "/big":
            self._send(200, bytes(6000))
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(40):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        elif self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
        else:
            self._send(404, b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # What a client does that hangs up early is no matter of the tests.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def refused(url: str, kind: type[MagpieError], code: str, **options: Any) -> MagpieError:
    with pytest.raises(kind) as caught:
        fetch(url, options.pop("limits", LIMITS), **options)
    assert caught.value.code == code
    return caught.value


def test_fetches_the_body(address: str) -> None:
    assert fetch(f"{address}/a.png", LIMITS, allow_private=True) == picture()


def test_follows_a_redirect(address: str) -> None:
    assert fetch(f"{address}/to/{address}/a.png", LIMITS, allow_private=True) == picture()


def test_this_machine_is_refused_by_default(address: str) -> None:
    error = refused(f"{address}/a.png", AccessError, "access-remote")
    assert "private network" in error.message
    assert error.where.startswith(address)


@pytest.mark.parametrize(
    "number", ["10.0.0.1", "192.168.1.1", "169.254.169.254", "127.1.2.3", "::1", "fd00::1"]
)
def test_private_numbers_behind_a_name(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    # One public answer among them must not help.
    def answers(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (n, 80)) for n in ("93.184.215.14", number)]

    monkeypatch.setattr(module.socket, "getaddrinfo", answers)
    refused("http://innocent.example/a.png", AccessError, "access-remote")


def test_the_checked_number_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def connect(place: Any, *_: Any, **__: Any) -> socket.socket:
        asked.append(place)
        raise ConnectionRefusedError("not in tests")

    answer = [(0, 0, 0, "", ("93.184.215.14", 80))]
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_, **__: answer)
    monkeypatch.setattr(module.socket, "create_connection", connect)
    refused("http://innocent.example/a.png", MediaError, "media-absent")
    assert asked == [("93.184.215.14", 80)]


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://example.org/a", "data:,x"])
def test_redirects_to_other_schemes_are_refused(address: str, target: str) -> None:
    url = f"{address}/to/{target}"
    refused(url, AccessError, "access-remote", allow_private=True)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "gopher://x/"])
def test_other_schemes_have_no_handler(url: str) -> None:
    refused(url, MediaError, "media-absent", allow_private=True)


def test_an_endless_redirect_ends(address: str) -> None:
    path = "/to/" * 12
    refused(f"{address}{path}/nowhere", MediaError, "media-absent", allow_private=True)


def test_missing_and_unreachable(address: str) -> None:
    error = refused(f"{address}/none", MediaError, "media-absent", allow_private=True)
    assert "404" in error.message
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    refused(f"http://127.0.0.1:{free}/", MediaError, "media-absent", allow_private=True)


def test_too_many_bytes(address: str) -> None:
    refused(f"{address}/big", MediaError, "media-too-large", allow_private=True)


def test_dripping_bytes_meet_the_deadline(address: str) -> None:
    limits = ImageLimits(timeout=0.4)
    start = time.monotonic()
    error = refused(
        f"{address}/slow", MediaError, "media-absent", allow_private=True, limits=limits
    )
    assert "not complete" in error.message
    assert time.monotonic() - start < 3.0


def test_loading_by_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.delenv("MAGPIE_OFFLINE", raising=False)
    with pytest.raises(AccessError):
        load_image(f"{address}/a.png", allow_remote=True)
    monkeypatch.setattr(module, "fetch", lambda url, limits: fetch(url, limits, allow_private=True))
    loaded = load_image(f"{address}/a.png", allow_remote=True)
    assert (loaded.width, loaded.height) == (6, 3)
    assert tuple(loaded.pixels[0, 0]) == (10, 20, 30)
