"""How a desktop is set up: variables and settings files that fix the look and behaviour of its apps.

The same actions are to give the same pictures: no cursor blinks, nothing is animated or saved between programs, scroll
bars stay, text has the same fonts everywhere.
"""

from __future__ import annotations

from pathlib import Path

from agentgym_desktop import profiles
from agentgym_desktop.display import NAME
from agentgym_desktop.rootfs import HOME, RUNTIME

BUS = f"{RUNTIME}/bus"
BUS_CONFIG = f"{RUNTIME}/bus.conf"
WINDOW_MANAGER_CONFIG = f"{RUNTIME}/openbox.xml"
DOUBLE_CLICK_MS = 200  # also in openbox.xml; clicks further apart are two

ENVIRONMENT: dict[str, str] = {
    "ACCESSIBILITY_ENABLED": "1",  # Chromium tells nothing of itself without
    "DISPLAY": NAME,
    "DBUS_SESSION_BUS_ADDRESS": f"unix:path={BUS}",
    "AT_SPI_BUS_ADDRESS": f"unix:path={BUS}",
    "GDK_BACKEND": "x11",
    "GIO_USE_VFS": "local",
    "GSETTINGS_BACKEND": "memory",
    "GTK_IM_MODULE": "gtk-im-context-simple",
    "GTK_OVERLAY_SCROLLING": "0",
    "GTK_USE_PORTAL": "0",
    "MALLOC_ARENA_MAX": "2",  # threads' own heaps would cost memory
    "SAL_USE_VCLPLUGIN": "gtk3",
    "XCOMPOSEFILE": "/dev/null",  # no key composes; openbox would read the table, for 50 ms, each time a key changes
    "XMODIFIERS": "@im=none",
}
"""Variables that every app needs, beside those of the sandbox."""

# Without the folder of accessibility services: asked for the registry before ours has its name, the bus would start
# another one, and ours would end.
_BUS_CONFIG = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={BUS}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>/usr/share/dbus-1/services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
  <limit name="max_match_rules_per_connection">50000</limit>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"""
_GTK3 = f"""[Settings]
gtk-theme-name=Adwaita
gtk-icon-theme-name=Adwaita
gtk-font-name=DejaVu Sans 10
gtk-cursor-blink=false
gtk-enable-animations=false
gtk-primary-button-warps-slider=false
gtk-double-click-time={DOUBLE_CLICK_MS}
gtk-recent-files-enabled=false
gtk-overlay-scrolling=false
gtk-xft-dpi=98304
"""
_GTK2 = f"""gtk-modules="gail:atk-bridge"
gtk-font-name="DejaVu Sans 10"
gtk-cursor-blink=0
gtk-enable-animations=0
gtk-double-click-time={DOUBLE_CLICK_MS}
gtk-modules="gail:atk-bridge"
"""
RESOURCES = f"""Xft.dpi: 96
XTerm*faceName: DejaVu Sans Mono
XTerm*faceSize: 10
XTerm*utf8: 1
XTerm*utf8Title: true
XTerm*cursorBlink: false
XTerm*multiClickTime: {DOUBLE_CLICK_MS}
XTerm*scrollBar: true
XTerm*rightScrollBar: true
XTerm*selectToClipboard: true
"""
"""Settings of programs that read them from the X server."""

FILES: dict[str, bytes] = {
    BUS_CONFIG: _BUS_CONFIG.encode(),
    WINDOW_MANAGER_CONFIG: (Path(__file__).parent / "openbox.xml").read_bytes(),
    f"{HOME}/.config/gtk-3.0/settings.ini": _GTK3.encode(),
    f"{HOME}/.gtkrc-2.0": _GTK2.encode(),
    **{f"{HOME}/{path}": content for path, content in profiles.FILES.items()},
}
"""Content by path inside; the bus's is needed first."""
