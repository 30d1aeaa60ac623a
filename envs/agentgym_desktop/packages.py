"""What the desktop world needs of the machine: Debian's packages, by a file that each brings.

``python -m agentgym_desktop.packages`` prints those that are missing, for `scripts/setup`.
"""

from __future__ import annotations

from pathlib import Path

FILES: dict[str, str] = {
    "bubblewrap": "usr/bin/bwrap",
    "libseccomp2": "usr/lib/*/libseccomp.so.2",
    "python3": "usr/bin/python3",
    "xvfb": "usr/bin/Xvfb",
    "openbox": "usr/bin/openbox",
    "dbus-daemon": "usr/bin/dbus-daemon",
    "at-spi2-core": "usr/libexec/at-spi2-registryd",
    "libatk-adaptor": "usr/lib/*/gtk-2.0/modules/libatk-bridge.so",
    "adwaita-icon-theme": "usr/share/icons/Adwaita/index.theme",
    "fonts-dejavu-core": "usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "fonts-liberation": "usr/share/fonts/truetype/liberation*/LiberationSans-Regular.ttf",
    "fonts-noto-cjk": "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "mousepad": "usr/bin/mousepad",
    "pcmanfm": "usr/bin/pcmanfm",
    "xterm": "usr/bin/xterm",
    "galculator": "usr/bin/galculator",
    "libreoffice-calc": "usr/lib/libreoffice/program/scalc",
    "libreoffice-writer": "usr/lib/libreoffice/program/swriter",
    "libreoffice-gtk3": "usr/lib/libreoffice/program/libvclplug_gtk3lo.so",
    "evince": "usr/bin/evince",
    "eog": "usr/bin/eog",
    "chromium": "usr/bin/chromium",
}


def missing(root: Path = Path("/")) -> list[str]:
    """Return the packages whose file is not there."""
    return [package for package, file in FILES.items() if not any(root.glob(file))]


if __name__ == "__main__":
    print(*missing())  # noqa: T201 (its purpose)
