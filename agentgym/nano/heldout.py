"""Sentences that the starter model must never have seen: those of the tasks that the quick start learns, and more.

The synthetic instructions use other words and other structures. `is_held_out` recognises the tasks' sentences, so that
a test can show that no synthetic example carries one, and a demonstration file can be checked too.
"""

from __future__ import annotations

import re

HELD_OUT = (
    r'click on the ".*" button\.?',  # click-button
    r'click on the link ".*"\.?',  # click-link
    r"click button \S+\.?",  # click-test-2
    r"select .* and click submit\.?",  # click-option, click-checkboxes, choose-list, click-scroll-list
    r'enter ".*" into the text field and press submit\.?',  # enter-text
    r"click button \S+, then click button \S+\.?",  # click-button-sequence
    r"focus into the .* input textbox\.?",  # focus-text-2
    r'click the button in the dialog box labeled ".*"\.?',  # click-dialog-2
    r'enter the username ".*" and the password ".*" into the text fields and press login\.?',  # login-user
    r"click on tab #\d+\.?",  # click-tab
)
_PATTERN = re.compile("|".join(f"(?:{pattern})" for pattern in HELD_OUT), re.IGNORECASE | re.DOTALL)


def is_held_out(instruction: str) -> bool:
    """Whether an instruction is a sentence of a held-out task."""
    return _PATTERN.fullmatch(" ".join(instruction.split())) is not None
