"""The network wall: pages reach their own task's origins and nothing else.

Two layers. The browser resolves no host at all and sends no WebRTC packets (flags below; they hold for workers,
WebSockets, preconnects and popups too, which request interception does not see). On top, every request of a page is
intercepted: those to the task's own origins are answered from memory or from the task's folders, all others fail.
"""

from __future__ import annotations

import base64
import http
import mimetypes
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ORIGIN = "https://task.invalid"  # RFC 2606: never resolves; https, so that pages are secure contexts

WALL_FLAGS = (
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
)
_STATUSES = frozenset(each.value for each in http.HTTPStatus if each.value >= 200)  # below, no answers
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_HEADER_VALUE = re.compile(r"[^\0\r\n]*")
_ORIGIN = re.compile(r"https?://[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?")  # as browsers write it: in small letters, no path


@dataclass(frozen=True)
class Answer:
    """What a site answers to a request.

    Raises:
        TypeError: the body is neither text nor bytes.
        ValueError: no browser takes such a status or header, so that the request would wait for ever.
    """

    body: str | bytes = ""
    kind: str = "text/html; charset=utf-8"
    """Content type."""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers, such as ``("Location", "/")`` or ``("Access-Control-Allow-Origin", "*")``."""

    def __post_init__(self) -> None:
        if not isinstance(self.body, (str, bytes)):
            raise TypeError(f"an answer's body is text or bytes, got {type(self.body).__name__}; JSON is text, too")
        if self.status not in _STATUSES:
            raise ValueError(f"an answer's status is one of HTTP's from 200 on, got {self.status!r}")
        for name, value in (("Content-Type", self.kind), *self.headers):
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"a header is a name and a line of text, got {name!r}: {value!r}")


class Site:
    """What a task serves: the pages and files of its origin, and of further origins where it has several.

        Site(html="<p>Hello</p>")
        Site(root=folder, pages={"/api/user": Answer('{"name": "Ann"}', "application/json")})
        Site(html=shop, others={"https://mail.task.invalid": Site(root=mail)})

    Requests are answered by their path, whatever their method and query; a page that is to take what is sent to it
    keeps it in its scripts. Redirects and cookies are headers like any.

    Args:
        root: folder whose files are served by their path; None for none.
        html: the page at ``/``; None for none.
        pages: further pages from memory, by their path (``/inbox``); they come before files of the same path.
        others: what further origins serve, by their origin as a browser writes it (``https://mail.task.invalid``).

    Raises:
        ValueError: a key of ``pages`` is no path, or one of ``others`` is no origin or the task's own.
    """

    def __init__(
        self,
        *,
        root: Path | None = None,
        html: str | None = None,
        pages: Mapping[str, str | Answer] | None = None,
        others: Mapping[str, Site] | None = None,
    ) -> None:
        self._root = None if root is None else root.resolve()
        self._pages = {} if html is None else {"/": Answer(html)}
        for path, page in (pages or {}).items():
            if not path.startswith("/"):
                raise ValueError(f"a page's path starts with a slash, got {path!r}; other origins go into `others`")
            self._pages[path] = page if isinstance(page, Answer) else Answer(page)
        self._origins: dict[str, Site] = {ORIGIN: self}
        for origin, site in (others or {}).items():
            if not _ORIGIN.fullmatch(origin) or origin == ORIGIN:
                raise ValueError(f"a further origin is written like https://mail.task.invalid, got {origin!r}")
            self._origins[origin] = site

    @property
    def several(self) -> bool:
        """Whether there are further origins."""
        return len(self._origins) > 1

    def owns(self, url: str) -> bool:
        """Whether a URL is of one of the task's origins."""
        return self._of(url) is not None

    def read(self, url: str) -> Answer | None:
        """Return what a URL holds, or None if the site does not have it."""
        found = self._of(url)
        if found is None:
            return None
        site, path = found
        try:
            return site._find(path)
        except (OSError, ValueError):  # a name that no file system takes
            return None

    def fulfil(self, request_id: str, url: str) -> tuple[str, dict[str, Any]]:
        """Return the DevTools command and its parameters that answer one intercepted request.

        What an origin of the task does not have is a 404, what lies elsewhere is no answer at all.
        """
        answer = self.read(url)
        if answer is None:
            if not self.owns(url):
                return refusal(request_id)
            answer = Answer("Not found", "text/plain", 404)
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        headers = [{"name": name, "value": value} for name, value in answer.headers]
        return "Fetch.fulfillRequest", {
            "requestId": request_id,
            "responseCode": answer.status,
            "responseHeaders": [{"name": "Content-Type", "value": answer.kind}, *headers],
            "body": base64.b64encode(body).decode(),
        }

    def _of(self, url: str) -> tuple[Site, str] | None:
        """Return whose URL it is, and its path there."""
        try:
            parts = urlsplit(url)
        except ValueError:  # a URL that is none
            return None
        site = self._origins.get(f"{parts.scheme}://{parts.netloc}")
        return None if site is None else (site, unquote(parts.path))

    def _find(self, path: str) -> Answer | None:
        if path in self._pages:
            return self._pages[path]
        if self._root is None:
            return None
        file = (self._root / path.lstrip("/")).resolve()
        if not file.is_relative_to(self._root) or not file.is_file():
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return Answer(file.read_bytes(), f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)


def refusal(request_id: str, *, reason: str = "BlockedByClient") -> tuple[str, dict[str, Any]]:
    """Return the DevTools command and its parameters that fail one intercepted request.

    Args:
        request_id: the request's.
        reason: what the page is told; after ``Aborted`` a page that was to be left stays.
    """
    return "Fetch.failRequest", {"requestId": request_id, "errorReason": reason}
