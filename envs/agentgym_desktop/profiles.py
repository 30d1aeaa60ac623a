"""What apps find in the home folder of a desktop, so that they start fast and ask nothing.

LibreOffice: no wizard, no tip of the day, no bars that ask for money or help, nothing recovered or saved by itself, and
no registration of extensions, which a first start would do and then start anew. Where the build is another than
`_BUILD`, all of that still holds, and its first start takes longer.
"""

from __future__ import annotations

_OFFICE = ".config/libreoffice/4/user"
_BUILD = b"40(Build:2)"  # of Debian 12's LibreOffice 7.4; another one registers its extensions again
_NEVER = str(2**32)  # seconds since 1970: so late were they shown, hence not again
_SETTINGS = {
    ("Office.Common/Misc", "FirstRun"): "false",
    ("Office.Common/Misc", "ShowTipOfTheDay"): "false",
    ("Office.Common/Save/Document", "AutoSave"): "false",
    ("Office.Recovery/AutoSave", "Enabled"): "false",
    ("Office.Recovery/RecoveryInfo", "Enabled"): "false",
    # What is typed stays as it was typed: no completion of words that takes the next Enter for a yes.
    ("Office.Writer/AutoFunction/Completion", "Enable"): "false",
    ("Office.Calc/Input", "AutoInput"): "false",
    ("Setup/Office", "LastCompatibilityCheckID"): _BUILD.decode(),
    ("Setup/Office", "ooSetupInstCompleted"): "true",
    ("Setup/Product", "LastTimeDonateShown"): _NEVER,
    ("Setup/Product", "LastTimeGetInvolvedShown"): _NEVER,
    ("Setup/Product", "ooSetupLastVersion"): "7.4",
    ("Setup/Product", "WhatsNew"): "false",
}


def _office_settings() -> bytes:
    items = "".join(
        f'<item oor:path="/org.openoffice.{path}"><prop oor:name="{name}" oor:op="fuse">'
        f"<value>{value}</value></prop></item>\n"
        for (path, name), value in _SETTINGS.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n{items}</oor:items>\n'
    ).encode()


FILES: dict[str, bytes] = {
    f"{_OFFICE}/registrymodifications.xcu": _office_settings(),
    f"{_OFFICE}/extensions/buildid": _BUILD,
    f"{_OFFICE}/extensions/bundled/lastsynchronized": b"1",
    f"{_OFFICE}/extensions/shared/lastsynchronized": b"1",
}
"""Content by path, relative to the home folder."""
