"""What the browser keeps in its profile, as OSWorld's getters tell it: settings and bookmarks.

Chromium stands for Google Chrome, and writes its files when it ends; the steps of a judge end it first.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentgym_desktop.osworld.paths import PROFILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym_desktop.osworld.stage import Stage

MAX_PROFILE = 4_000_000  # bytes of one of its files
FONT_SIZES = {"default_fixed_font_size": 13, "default_font_size": 16, "minimum_font_size": 13}
NEW_TAB = 5  # what "restore_on_startup" is where the browser starts with a new tab
_COOKIES = ("default_content_setting_values", "cookies")
UNTIL_CLOSED = 4  # so long sites' data stays, in Chromium's numbers; OSWorld takes any other value for it, too


def _told(value: object) -> str:
    return "true" if value else "false"


def _starts_anew(settings: dict[str, Any]) -> str:
    return _told("session" not in settings or _at(settings, "session", "restore_on_startup") == NEW_TAB)


def _is_safe(settings: dict[str, Any]) -> str:
    return _told(_at(settings, "safebrowsing", "enhanced") or _at(settings, "safebrowsing", "enabled"))


def _engine(settings: dict[str, Any]) -> Any:
    return _at(settings, "default_search_provider_data", "template_url_data", "short_name") or "Google"


SETTINGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "chrome_font_size": lambda settings: _at(settings, "webkit", "webprefs") or FONT_SIZES,
    "data_delete_automacally": lambda settings: _told(_at(settings, "profile", *_COOKIES) == UNTIL_CLOSED),
    "default_search_engine": _engine,
    "enable_do_not_track": lambda settings: _told(settings.get("enable_do_not_track")),
    "enable_enhanced_safety_browsing": lambda settings: _told(_at(settings, "safebrowsing", "enhanced")),
    "enable_safe_browsing": _is_safe,
    "new_startup_page": _starts_anew,
    "profile_name": lambda settings: _at(settings, "profile", "name"),
}
"""The getters of settings, and how each reads them from the file ``Preferences``."""
BOOKMARKS = "bookmarks"
GETTERS = frozenset({*SETTINGS, BOOKMARKS})
"""The getters that look at the profile only."""


def fetch_setting(kind: str, stage: Stage) -> Any:
    """Return what one of `GETTERS` is after; as of a new browser where it has not written its file."""
    if kind == BOOKMARKS:
        return _read("Bookmarks", stage).get("roots")
    return SETTINGS[kind](_read("Preferences", stage))


def _read(name: str, stage: Stage) -> dict[str, Any]:
    try:
        found = json.loads(stage.desktop.sandbox.read(f"{PROFILE}/Default/{name}", max_bytes=MAX_PROFILE))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
