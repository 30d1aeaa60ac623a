"""Oracles of tasks on text that is longer than its box: text areas to scroll, a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Click, Fill, Press, Scroll, Type
from agentgym_miniwob.oracles.clicking import find, find_all, match, quoted
from agentgym_miniwob.oracles.forms import submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

ALL_THE_WAY = 5000  # pixels: more than any of the texts is high


def scroll_to_end(observation: Observation) -> OracleScript:
    """Scroll the text area to its top or bottom, then Submit."""
    (end,) = match(observation, r"Scroll the textarea to the (top|bottom) of .*")
    yield Scroll(0, -ALL_THE_WAY if end == "top" else ALL_THE_WAY, element=find_all(observation, "textbox")[0].id)
    yield submit(observation)


def enter_last_word(observation: Observation) -> OracleScript:
    """Scroll the text area to its end, enter its last word, then Submit."""
    text, field = find_all(observation, "textbox")
    end = yield Scroll(0, ALL_THE_WAY, element=text.id)
    last = find_all(end, "textbox")[0].value.split()[-1]
    yield Fill(field.id, last.rstrip("."))
    yield submit(observation)


def sign_agreement(observation: Observation) -> OracleScript:
    """Scroll to the end, which unlocks the form, sign it and click the button that is named."""
    text, name = find_all(observation, "textbox")
    if "Scroll" in observation.instruction:
        signature, button = quoted(observation)
        yield Scroll(0, ALL_THE_WAY, element=text.id)
        yield Fill(name.id, signature)
        yield Click(element=find(observation, button, "button").id)
    else:
        yield Click(element=find(observation, "Cancel", "button").id)


def delete_file(observation: Observation) -> OracleScript:
    """List the files in the terminal and remove one of the extension that is asked for."""
    extension = re.search(r"\.[a-z.]+$", observation.instruction.strip())
    yield Click(element=find_all(observation, "text")[0].id)
    yield Type("ls")
    observation = yield Press("Enter")
    texts = [element.name for element in find_all(observation, "text")]
    files = texts[texts.index("ls") + 1].split()
    ending = extension[0] if extension and extension[0] != "." else ""
    wanted = next(file for file in files if (file.endswith(ending) if ending else "." not in file))
    yield Type(f"rm {wanted}")
    yield Press("Enter")


SCROLLING: dict[str, Callable[[Observation], OracleScript]] = {
    "scroll-text": enter_last_word,
    "scroll-text-2": scroll_to_end,
    "sign-agreement": sign_agreement,
    "terminal": delete_file,
}
