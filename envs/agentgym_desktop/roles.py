"""What things are called: AT-SPI's roles and states in the words of WAI-ARIA that the browser world uses, too.

Source: atspi-constants.h of at-spi2-core 2.46, whose numbers are the positions in `_NAMES`. A role is told as an
element (a button), as a place in the tree alone (a toolbar), or not at all (a filler).
"""

from __future__ import annotations

_NAMES = """
invalid accelerator-label alert animation arrow calendar canvas check-box check-menu-item color-chooser
column-header combo-box date-editor desktop-icon desktop-frame dial dialog directory-pane drawing-area
file-chooser filler focus-traversable font-chooser frame glass-pane html-container icon image internal-frame
label layered-pane list list-item menu menu-bar menu-item option-pane page-tab page-tab-list panel
password-text popup-menu progress-bar push-button radio-button radio-menu-item root-pane row-header scroll-bar
scroll-pane separator slider spin-button split-pane status-bar table table-cell table-column-header
table-row-header tearoff-menu-item terminal text toggle-button tool-bar tool-tip tree tree-table unknown
viewport window extended header footer paragraph ruler application autocomplete editbar embedded entry chart
caption document-frame heading page section redundant-object form link input-method-window table-row tree-item
document-spreadsheet document-presentation document-text document-web document-email comment list-box grouping
image-map notification info-bar level-bar title-bar block-quote audio video definition article landmark log
marquee math rating timer static math-fraction math-root subscript superscript description-list
description-term description-value footnote content-deletion content-insertion mark suggestion
push-button-menu
""".split()  # noqa: SIM905 - a list a word a line would fill three pages
ROLES = dict(enumerate(_NAMES))

ELEMENTS = {
    "alert": "alertdialog", "arrow": "button", "canvas": "canvas", "check-box": "checkbox",
    "check-menu-item": "menuitemcheckbox", "column-header": "columnheader", "combo-box": "combobox",
    "date-editor": "date", "desktop-icon": "option", "dial": "slider", "drawing-area": "canvas", "icon": "option",
    "image": "img", "label": "text", "list-item": "option", "menu": "menuitem", "menu-item": "menuitem",
    "page-tab": "tab", "password-text": "textbox", "progress-bar": "progressbar", "push-button": "button",
    "radio-button": "radio", "radio-menu-item": "menuitemradio", "row-header": "rowheader", "scroll-bar": "scrollbar",
    "slider": "slider", "spin-button": "spinbutton", "table-cell": "gridcell", "table-column-header": "columnheader",
    "table-row-header": "rowheader", "tearoff-menu-item": "menuitem", "terminal": "textbox", "text": "textbox",
    "toggle-button": "button", "tool-tip": "tooltip", "paragraph": "text", "autocomplete": "textbox",
    "editbar": "textbox", "entry": "textbox", "chart": "img", "caption": "text", "heading": "heading",
    "link": "link", "tree-item": "treeitem", "image-map": "img", "notification": "status", "level-bar": "meter",
    "log": "log", "marquee": "marquee", "rating": "slider", "timer": "timer", "static": "text", "math": "math",
    "description-term": "text", "description-value": "text", "footnote": "text", "push-button-menu": "button",
    "page": "text",
}  # fmt: skip
WINDOWS = {
    "frame": "window", "window": "window", "dialog": "dialog", "alert": "alertdialog", "file-chooser": "dialog",
    "color-chooser": "dialog", "font-chooser": "dialog", "option-pane": "dialog", "notification": "status",
}  # fmt: skip
PLACES = {
    "calendar": "grid", "list": "list", "menu-bar": "menubar", "page-tab-list": "tablist", "popup-menu": "menu",
    "status-bar": "status", "table": "table", "tool-bar": "toolbar", "tree": "tree", "tree-table": "treegrid",
    "header": "banner", "footer": "contentinfo", "document-frame": "document", "document-spreadsheet": "document",
    "document-presentation": "document", "document-text": "document", "document-web": "document",
    "document-email": "document", "form": "form", "table-row": "row", "list-box": "listbox", "grouping": "group",
    "info-bar": "group", "block-quote": "blockquote", "article": "article", "landmark": "region",
    "dialog": "dialog", "description-list": "list", "comment": "note", "layered-pane": "listbox",
    "internal-frame": "group",
}  # fmt: skip
READ = frozenset({"text", "heading", "img", "status", "alertdialog", "log", "meter", "progressbar", "timer", "marquee",
                  "tooltip", "math", "dialog", "window"})  # fmt: skip
"""Element roles that are read; the rest can be acted on."""
FIELDS = frozenset({"textbox", "spinbutton"})
"""Elements whose text is their value; that of others is their name."""
CLIPS = frozenset({"scroll-pane", "viewport", "document-web", "document-text", "document-spreadsheet", "document-frame",
                   "table", "tree", "tree-table", "list-box", "layered-pane", "html-container"})  # fmt: skip
"""What shows no more of its content than fits into its box."""
VALUED = frozenset({"slider", "spinbutton", "progressbar", "scrollbar", "meter"})

_STATES = """invalid active armed busy checked collapsed defunct editable enabled expandable expanded focusable focused
has-tooltip horizontal iconified modal multi-line multiselectable opaque pressed resizable selectable selected sensitive
showing single-line stale transient vertical visible manages-descendants indeterminate required truncated animated
invalid-entry supports-autocompletion selectable-text is-default visited checkable has-popup read-only""".split()  # noqa: SIM905 - as above
BITS = {name: 1 << number for number, name in enumerate(_STATES)}
SHOWING, MANAGES, EDITABLE = BITS["showing"], BITS["manages-descendants"], BITS["editable"]


def states_of(kind: str, bits: int) -> tuple[str, ...]:
    """Return which of the states of an `agentgym.observation.Element` a node of a kind has.

    Args:
        kind: its AT-SPI role, of `ROLES`.
        bits: its states, of `BITS`.
    """
    has = {name for name in ("checked", "expanded", "focused", "pressed", "selected") if bits & BITS[name]}
    if kind == "toggle-button" and "checked" in has:
        has = has - {"checked"} | {"pressed"}
    elif kind == "push-button":
        has.discard("pressed")  # held down this moment
    if kind in {"table-cell", "tree-item"} and not bits & BITS["selectable"]:
        has.discard("selected")
    if not bits & (BITS["sensitive"] | BITS["enabled"]):
        has.add("disabled")
    if bits & BITS["read-only"] or (ELEMENTS.get(kind) in FIELDS and kind != "spin-button" and not bits & EDITABLE):
        has.add("readonly")
    return tuple(sorted(has))
