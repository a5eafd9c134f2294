"""A web server on localhost that misbehaves as told."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Site:
    """What the server serves, how it misbehaves, and what it was asked.

    Attributes:
        files: path -> content.
        ranges: whether parts are sent when asked for.
        etag: whether files carry one.
        drops: bytes after which each of the next answers breaks off.
        statuses: what the next answers are instead.
        moved: path -> path to go to instead.
        asked: path and Range header of each request.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    etag: bool = True
    drops: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return self.address + path


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Site = self.server.site
        asked = self.headers.get("Range")
        site.asked.append((self.path, asked))
        if self.path in site.moved:
            self._answer(302, {"Location": site.moved[self.path], "Content-Length": "0"})
            return
        content = site.files.get(self.path)
        status = site.statuses.pop(0) if site.statuses else 404 if content is None else 200
        if status != 200:
            self._answer(status, {"Content-Length": "0"})
            return
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"ETag": etag} if site.etag else {}
        start = 0
        if site.ranges and asked and self.headers.get("If-Range", etag) == etag:
            start = int(re.match(r"bytes=(\d+)-", asked)[1])
            if start >= len(content):
                self._answer(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        self._answer(206 if start else 200, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body[: site.drops.pop(0)] if site.drops else body)

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A running server."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.site = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.site
    server.shutdown()
    thread.join()
    server.server_close()
