"""Oracles of tasks that are solved by filling in a form with what the instruction says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Action, Click, Fill, Select
from agentgym_miniwob.oracles.clicking import find, find_all, match, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript


def ordinal(word: str) -> int:
    """Return the number of an ordinal such as ``2nd``, counted from 1."""
    return int(re.sub(r"\D", "", word))


def submit(observation: Observation, name: str = "Submit") -> Action:
    """Return the click that sends a form."""
    return Click(element=find(observation, name, "button", "clickable").id)


def enter_text(observation: Observation) -> OracleScript:
    """Fill the only field with the text in quotes."""
    yield Fill(find_all(observation, "textbox")[0].id, quoted(observation)[0])
    yield submit(observation)


def enter_text_in_case(observation: Observation) -> OracleScript:
    """Fill the only field with the text in quotes, in upper or lower case."""
    text = quoted(observation)[0]
    upper = "all upper case" in observation.instruction
    yield Fill(find_all(observation, "textbox")[0].id, text.upper() if upper else text.lower())
    yield submit(observation)


def enter_password(observation: Observation) -> OracleScript:
    """Fill both fields with the password in quotes."""
    for field in find_all(observation, "textbox"):
        yield Fill(field.id, quoted(observation)[0])
    yield submit(observation)


def login(observation: Observation) -> OracleScript:
    """Fill user name and password, in this order on the page and in the instruction."""
    for field, text in zip(find_all(observation, "textbox"), quoted(observation), strict=True):
        yield Fill(field.id, text)
    yield submit(observation, "Login")


def login_past_popup(observation: Observation) -> OracleScript:
    """Log in; dismiss the message that may pop up when a field gets the focus, and fill that field again."""
    ok = find(observation, "OK", "button")
    for field, text in zip(find_all(observation, "textbox"), quoted(observation), strict=True):
        observation = yield Fill(field.id, text)
        if any(element.name == "Cancel" for element in observation.elements):
            yield Click(element=find(observation, "Cancel", "button").id)
            yield Fill(field.id, text)
    yield Click(element=ok.id)


def choose_from_list(observation: Observation) -> OracleScript:
    """Select the option that is named."""
    (option,) = match(observation, r"Select (.+) from the list and click Submit\.")
    yield Select(find_all(observation, "combobox")[0].id, option)
    yield submit(observation)


def choose_from_scroll_list(observation: Observation) -> OracleScript:
    """Select every option that the instruction lists."""
    (listed,) = match(observation, r"Select (.+) from the scroll list and click Submit\.")
    box = find_all(observation, "listbox")[0].id
    for option in find_all(observation, "option"):
        if re.search(rf"(^|, ){re.escape(option.name)}(,|$)", listed):
            yield Select(box, option.name)
    yield submit(observation)


def enter_date(observation: Observation) -> OracleScript:
    """Fill the date field, which takes year, month and day."""
    month, day, year = match(observation, r"Enter (\d+)/(\d+)/(\d+) as .*")
    yield Fill(find_all(observation, "date")[0].id, f"{year}-{month}-{day}")
    yield submit(observation)


def enter_time(observation: Observation) -> OracleScript:
    """Fill the time field, which takes hours from 0 to 23."""
    hour, minute, half = match(observation, r"Enter (\d+):(\d+) (AM|PM) as .*")
    yield Fill(find_all(observation, "time")[0].id, f"{int(hour) % 12 + 12 * (half == 'PM'):02}:{minute}")
    yield submit(observation)


def search_movies(observation: Observation) -> OracleScript:
    """Fill genre, director and year; the labels stand in the order of the fields, beside, above or below them."""
    genre, director, year = match(observation, r"Search for (\w+) movies directed by (\w+) from year (\d+)\.")
    texts = {"Genre": genre, "Director": director, "Year": year, "Date": year}
    labels = [text for element in find_all(observation, "text") for word, text in texts.items() if word in element.name]
    for field, text in zip(find_all(observation, "textbox"), labels, strict=True):
        yield Fill(field.id, text)
    sender = next(element for element in observation.elements if element.name in ("Submit", "Search", "Go!"))
    yield Click(element=sender.id)


def check_and_enter(observation: Observation) -> OracleScript:
    """Check one of the radio buttons and fill one of the fields, both given by their place in the row."""
    radio, number, field = match(
        observation, r'Check the (\w+) radio button and enter the number "(-?\d+)" into the (\w+) textbox\.'
    )
    yield Click(element=find_all(observation, "radio")[ordinal(radio) - 1].id)
    yield Fill(find_all(observation, "textbox")[ordinal(field) - 1].id, number)
    yield submit(observation)


def choose_and_press(observation: Observation) -> OracleScript:
    """Open the list, which the page draws itself, click the option that is named, then the button that is."""
    option, button = match(observation, r'Choose (.+) from the dropdown, then click the button labeled "(.+)"\.')
    opened = yield Click(element=find_all(observation, "clickable")[0].id)
    yield Click(element=find(opened, option, "text", "clickable").id)
    yield Click(element=find(observation, button, "button").id)


FORMS: dict[str, Callable[[Observation], OracleScript]] = {
    "choose-list": choose_from_list,
    "click-scroll-list": choose_from_scroll_list,
    "enter-date": enter_date,
    "enter-password": enter_password,
    "enter-text": enter_text,
    "enter-text-2": enter_text_in_case,
    "enter-text-dynamic": enter_text,
    "enter-time": enter_time,
    "form-sequence-2": check_and_enter,
    "form-sequence-3": choose_and_press,
    "login-user": login,
    "login-user-popup": login_past_popup,
    "multi-layouts": search_movies,
    "multi-orderings": search_movies,
}
