"""Oracles of tasks on widgets that pages draw themselves: sliders, spinners, calendars, lists of suggestions."""

from __future__ import annotations

import calendar
import re
from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

from agentgym.action import Action, Click, Drag, Fill, Hover, Press, Wait
from agentgym.observation import Observation
from agentgym_miniwob.oracles.clicking import find, find_all, match, quoted
from agentgym_miniwob.oracles.forms import ordinal, submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Box, Element
    from agentgym.task import OracleScript

Part = Generator[Action, Observation, Observation]
"""A piece of an oracle: returns the observation after its last action."""

MONTHS = list(calendar.month_name)  # "" at 0, January at 1
SUGGESTION_MS = 500  # pages that think about suggestions take 300 ms
HOUR = re.compile(r"\d+[ap]m")
DAY_X = 90  # pixels: right of the hours, within a day's column
WIDE = 5  # handles this many steps apart tell the scale well enough


class Mark(NamedTuple):
    """Where a slider's handle stands at a value; pixels."""

    value: int
    x: int
    y: int


def mark(observation: Observation, handle: int) -> Mark:
    """Return value and place of a slider's handle; the value is the text after it."""
    index = next(index for index, element in enumerate(observation.elements) if element.id == handle)
    box = observation.elements[index].box
    return Mark(int(observation.elements[index + 1].name), box.x + box.width // 2, box.y + box.height // 2)


def slide(observation: Observation, handle: int, target: int, low: Mark, high: Mark) -> Part:
    """Drag a handle to where two marks put the target, and mend what is left with the arrow keys."""
    if mark(observation, handle).value != target:
        share = (target - low.value) / (high.value - low.value)
        x, y = round(low.x + share * (high.x - low.x)), round(low.y + share * (high.y - low.y))
        observation = yield Drag(element=handle, to_x=x, to_y=y)
    while (value := mark(observation, handle).value) != target:
        observation = yield Press("ArrowRight" if value < target else "ArrowLeft")
    return observation


def slide_unknown(observation: Observation, handle: int, target: int) -> Part:
    """Take a slider to both ends, to learn its scale, and then to the target."""
    if mark(observation, handle).value == target:
        return observation
    yield Click(element=handle)
    low = yield Press("Home")
    high = yield Press("End")
    return (yield from slide(high, handle, target, mark(low, handle), mark(high, handle)))


def use_slider(observation: Observation) -> OracleScript:
    """Set the slider, then Submit."""
    (target,) = match(observation, r"Select (-?\d+) with the slider and hit Submit\.")
    yield from slide_unknown(observation, find_all(observation, "clickable")[0].id, int(target))
    yield submit(observation)


def use_sliders(observation: Observation) -> OracleScript:
    """Set three sliders of one scale, which the handles that are furthest apart tell."""
    targets = [int(target) for target in re.findall(r"\d+", observation.instruction)]
    handles = [element.id for element in find_all(observation, "clickable")]
    marks = sorted(mark(observation, handle) for handle in handles)
    if marks[-1].value - marks[0].value < WIDE:
        yield Click(element=handles[0])
        observation = yield Press("Home" if marks[0].value > WIDE else "End")
        marks = sorted(mark(observation, handle) for handle in handles)
    for handle, target in zip(handles, targets, strict=True):
        y = mark(observation, handle).y
        observation = yield from slide(observation, handle, target, marks[0]._replace(y=y), marks[-1]._replace(y=y))
    yield submit(observation)


def slide_and_check(observation: Observation) -> OracleScript:
    """Set the slider, check one of the boxes, then Submit."""
    target, place = match(observation, r"Select (-?\d+) with the slider, click the (\w+) checkbox, then hit Submit\.")
    yield from slide_unknown(observation, find_all(observation, "clickable")[0].id, int(target))
    yield Click(element=find_all(observation, "checkbox")[ordinal(place) - 1].id)
    yield submit(observation)


def use_spinner(observation: Observation) -> OracleScript:
    """Fill the spinner's field, then Submit."""
    (target,) = match(observation, r"Select (-?\d+) with the spinner and hit Submit\.")
    yield Fill(find_all(observation, "spinbutton")[0].id, target)
    yield submit(observation)


def choose_date(observation: Observation) -> OracleScript:
    """Pick the date in the calendar, then Submit."""
    month, day, _ = match(observation, r"Select (\d+)/(\d+)/(\d+) as the date and hit submit\.")
    yield from pick_date(observation, find_all(observation, "textbox")[0], month=int(month), day=int(day))
    yield submit(observation)


def pick_date(observation: Observation, field: Element, *, month: int, day: int) -> Part:
    """Open the calendar of a field, turn to the month and click on the day; all in the year it shows."""
    observation = yield Click(element=field.id)
    while (shown := _month(observation)) != month:
        observation = yield Click(element=find(observation, "Prev" if shown > month else "Next").id)
    return (yield Click(element=find(observation, str(day), "link").id))


def autocomplete(observation: Observation) -> OracleScript:
    """Enter the first letters, click a suggestion with the ending that is asked for, then Submit."""
    start, *end = quoted(observation)
    wanted = re.compile(f"(?={re.escape(start)}).*(?<={re.escape(''.join(end))})")  # beginning and end may overlap
    yield from pick_suggestion(find_all(observation, "textbox")[0], start, wanted)
    yield submit(observation)


def pick_suggestion(field: Element, text: str, wanted: re.Pattern[str]) -> Part:
    """Fill a field and click the suggestion that matches; the list of them, which holds all names, comes before."""
    observation = yield Fill(field.id, text)
    while not (offered := [item for item in find_all(observation, "clickable") if wanted.fullmatch(item.name)]):
        observation = yield Wait(SUGGESTION_MS)
    return (yield Click(element=offered[-1].id))


def book_flight(observation: Observation) -> OracleScript:
    """Enter airports and date, search, and book the flight with the lowest price or duration."""
    wanted, origin, destination, month, day = match(
        observation, r"Book the (\w+) one-way flight from: (.+) to: (.+) on (\d+)/(\d+)/\d+\."
    )
    start = observation
    fields = find_all(observation, "textbox")
    for field, airport in zip(fields, (origin, destination), strict=False):
        yield Click(element=field.id)  # a pointer left where the suggestions open would confuse them
        yield from pick_suggestion(field, airport, re.compile(rf"{re.escape(airport)} \(.*|.*\({re.escape(airport)}\)"))
    yield from pick_date(observation, fields[2], month=int(month), day=int(day))
    observation = yield submit(start, "Search")
    books = [button for button in find_all(observation, "button") if button.name.startswith("Book")]
    figures = [int(re.sub(r"\D", "", book.name)) for book in books]
    if wanted == "shortest":
        times = [re.fullmatch(r"(\d+)h (\d+)m", element.name) for element in find_all(observation, "text")]
        figures = [60 * int(time[1]) + int(time[2]) for time in times if time]
    yield Click(element=books[figures.index(min(figures))].id)


def create_event(observation: Observation) -> OracleScript:
    """Drag over a free time that is long enough, and name the event.

    A day is a column of hours, each with its label; events lie to the right of the labels.
    """
    length, unit, name, start, end = match(
        observation, r'Create a ([\d.]+) (hour|min)s? event named "(.+)", between (\w+) and (\w+)\.'
    )
    halves = round(float(length) / (0.5 if unit == "hour" else 30))
    texts = find_all(observation, "text")
    hours = [text for text in texts if HOUR.fullmatch(text.name)]
    events = [text.box for text in texts if not HOUR.fullmatch(text.name)]
    names = [hour.name for hour in hours]
    starts = range(2 * names.index(start.lower()), 2 * names.index(end.lower()) - halves + 1)
    half = min(starts, key=lambda half: _covered(events, _line(hours, half), _line(hours, half + halves)))
    observation = yield Hover(element=hours[half // 2].id)  # brings it into view
    hours = [hour for hour in find_all(observation, "text") if HOUR.fullmatch(hour.name)]
    top, bottom = _line(hours, half), _line(hours, half + halves)
    observation = yield Drag(x=DAY_X, y=top + 6, to_x=DAY_X, to_y=bottom - 6)
    yield Fill(find_all(observation, "textbox")[0].id, name)
    yield Click(element=find(observation, "Create", "button").id)


def _line(hours: list[Element], half: int) -> int:
    """Return where a half hour of the day begins, in pixels."""
    box = hours[half // 2].box
    return box.y + half % 2 * box.height // 2


def _covered(events: list[Box], top: int, bottom: int) -> int:
    """Return how many of the pixels between two lines events cover."""
    return sum(max(0, min(bottom, event.y + event.height) - max(top, event.y)) for event in events)


def _month(observation: Observation) -> int:
    """Return the month that the open calendar shows."""
    return next(MONTHS.index(element.name) for element in find_all(observation, "text") if element.name in MONTHS)


WIDGETS: dict[str, Callable[[Observation], OracleScript]] = {
    "book-flight": book_flight,
    "book-flight-nodelay": book_flight,
    "choose-date": choose_date,
    "choose-date-easy": choose_date,
    "choose-date-medium": choose_date,
    "choose-date-nodelay": choose_date,
    "daily-calendar": create_event,
    "form-sequence": slide_and_check,
    "use-autocomplete": autocomplete,
    "use-autocomplete-nodelay": autocomplete,
    "use-slider": use_slider,
    "use-slider-2": use_sliders,
    "use-spinner": use_spinner,
}
