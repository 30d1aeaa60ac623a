"""The network wall: pages reach their own task's files and nothing else.

Two layers. The browser resolves no host at all and sends no WebRTC packets (flags below; they hold for workers,
WebSockets, preconnects and popups too, which request interception does not see). On top, every request of a page is
intercepted: those to the task's own origin are answered from memory or from the task's folder, all others fail.
Source of the flags: 12 leak signals tried against Chromium 156, none passed.
"""

from __future__ import annotations

import base64
import mimetypes
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "https://task.invalid"  # RFC 2606: never resolves; https, so that pages are secure contexts

WALL_FLAGS = (
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
)


class Site:
    """What a task's origin serves: one page from memory, or the files of a folder.

    Args:
        root: folder whose files are served by their path; None for none.
        html: the page at ``/``; None for none.
    """

    def __init__(self, *, root: Path | None = None, html: str | None = None) -> None:
        self.root = None if root is None else root.resolve()
        self.html = html

    def read(self, url: str) -> tuple[bytes, str] | None:
        """Return body and content type of a URL, or None if the site does not have it."""
        try:
            return self._find(url)
        except (OSError, ValueError):  # a name that no file system takes, a URL that is none
            return None

    def _find(self, url: str) -> tuple[bytes, str] | None:
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != ORIGIN:
            return None
        if parts.path == "/" and self.html is not None:
            return self.html.encode(), "text/html; charset=utf-8"
        if self.root is None:
            return None
        path = (self.root / unquote(parts.path).lstrip("/")).resolve()
        if not path.is_relative_to(self.root) or not path.is_file():
            return None
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return path.read_bytes(), f"{kind}; charset=utf-8" if kind.startswith("text/") else kind

    def answer(self, request_id: str, url: str) -> tuple[str, dict[str, Any]]:
        """Return the DevTools command and its parameters that answer one intercepted request."""
        found = self.read(url)
        if found is None:
            return "Fetch.failRequest", {"requestId": request_id, "errorReason": "BlockedByClient"}
        body, kind = found
        return "Fetch.fulfillRequest", {
            "requestId": request_id,
            "responseCode": 200,
            "responseHeaders": [{"name": "Content-Type", "value": kind}],
            "body": base64.b64encode(body).decode(),
        }
