"""Fetching a picture by address: http and https only, bounded, and never from a private network.

An address in a data file must not become a key to the machine's own network. So every connection,
redirects included, goes to an address that was resolved and checked here; the proxies of the
environment are not used, because behind one that check would mean nothing.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from magpie.errors import AccessError, MagpieError, MediaError
from magpie.vision.load import ImageLimits

__all__ = ["fetch"]

_CHUNK = 1 << 16
_USER_AGENT = "magpie"


def fetch(url: str, limits: ImageLimits, *, allow_private: bool = False) -> bytes:
    """The body behind an address.

    Args:
        url: http or https.
        limits: bytes and seconds, both for the whole fetch.
        allow_private: also connect to this machine and to private networks.

    Raises:
        AccessError: ``access-remote``, for another scheme or an address that is not public.
        MediaError: ``media-absent`` when the server does not deliver, ``media-too-large``.
    """
    where = url[:200]
    deadline = time.monotonic() + limits.timeout
    request = urllib.request.Request(  # noqa: S310  the opener below knows http and https only
        url, headers={"User-Agent": _USER_AGENT, "Accept": "image/*"}
    )
    try:
        with _opener(allow_private).open(request, timeout=limits.timeout) as response:
            return _body(response, limits, deadline, where)
    except urllib.error.HTTPError as error:
        error.close()
        raise _failed(where, f"the server answered {error.code}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, MagpieError):
            raise error.reason.at(where) from error
        raise _failed(where, str(error.reason)) from error
    except AccessError as error:
        raise error.at(where) from error
    except MediaError:  # itself a ValueError, which the next clause means to translate
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(where, f"{type(error).__name__}: {error}") from error


def _failed(where: str, reason: str) -> MediaError:
    return MediaError(
        f"could not be fetched: {reason}",
        code="media-absent",
        where=where,
        mend="Check the address, or download the picture and give its path.",
    )


def _body(response: Any, limits: ImageLimits, deadline: float, where: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    # read1 returns what has arrived, so that a server that drips bytes meets the deadline.
    while chunk := response.read1(_CHUNK):
        size += len(chunk)
        if size > limits.max_bytes:
            raise MediaError(
                f"more than {limits.max_bytes} bytes",
                code="media-too-large",
                where=where,
                mend="Scale the picture down.",
            )
        if time.monotonic() > deadline:
            raise _failed(where, f"not complete after {limits.timeout:g} s")
        parts.append(chunk)
    return b"".join(parts)


def _connect(host: str, port: int, timeout: float | None, allow_private: bool) -> socket.socket:
    """A connection to the first address of ``host`` that answers; each is checked beforehand."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(ipaddress.ip_address(a).is_global for a in addresses):
        raise AccessError(
            f"{host} is on this machine or on a private network",
            code="access-remote",
            mend="Only public addresses are fetched; download the picture and give its path.",
        )
    last: OSError = OSError(f"{host} has no address")
    for address in addresses:
        try:
            # The checked number, not the name: a second lookup could give another answer.
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            last = error
    raise last


def _opener(allow_private: bool) -> urllib.request.OpenerDirector:
    """An opener that knows nothing but http, https and redirects between them."""

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = _connect(self.host, self.port, self.timeout, allow_private)

    class Secure(http.client.HTTPSConnection):
        def connect(self) -> None:
            raw = _connect(self.host, self.port, self.timeout, allow_private)
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(raw, server_hostname=self.host)

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(Plain, request)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(Secure, request)

    class Redirects(urllib.request.HTTPRedirectHandler):
        def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
            target = urllib.parse.urljoin(req.full_url, headers.get("location", ""))
            if not target.lower().startswith(("http://", "https://")):
                fp.close()
                raise AccessError(
                    f"redirected to {target[:100]!r}, only http and https are fetched",
                    code="access-remote",
                    mend="Download the picture and give its path.",
                )
            return super().http_error_302(req, fp, code, msg, headers)

        http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    opener = urllib.request.OpenerDirector()
    for handler in (
        PlainHandler(),
        SecureHandler(),
        Redirects(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
