"""Oracles of tasks whose answer is read off the page: text to copy, tables, sums, search results."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Click, Fill
from agentgym_miniwob.oracles.clicking import find, find_all, match, quoted
from agentgym_miniwob.oracles.forms import ordinal, submit
from agentgym_miniwob.oracles.shapes import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

ARITHMETIC = {"+": int.__add__, "-": int.__sub__, "x": int.__mul__}


def answer(observation: Observation, text: str) -> OracleScript:
    """Fill the only empty field and submit."""
    yield Fill(next(field.id for field in find_all(observation, "textbox", "spinbutton") if not field.value), text)
    yield submit(observation)


def copy_text(observation: Observation) -> OracleScript:
    """Enter the content of the text area, or of that whose place is given."""
    filled = [field.value for field in find_all(observation, "textbox") if field.value]
    place = re.search(r"from the (\w+) text area", observation.instruction)
    yield from answer(observation, filled[ordinal(place[1]) - 1 if place else 0])


def find_word(observation: Observation) -> OracleScript:
    """Enter the word at a place in the paragraph, without its punctuation."""
    (place,) = match(observation, r"Find the (\w+) word .*")
    word = find_all(observation, "text")[0].name.split()[ordinal(place) - 1]
    yield from answer(observation, re.sub(r"[^a-zA-Z]", "", word))


def read_characters(observation: Observation) -> OracleScript:
    """Enter the characters that are shown one by one."""
    yield from answer(observation, "".join(element.name for element in find_all(observation, "text")))


def read_cell(observation: Observation) -> OracleScript:
    """Enter the value beside the label that is named."""
    (label,) = match(observation, r"Enter the value of (.+) into the text field .*")
    yield from answer(observation, _after(observation, label))


def read_cells(observation: Observation) -> OracleScript:
    """Fill each field with the table's value of the label before the field."""
    for before, field in zip(observation.elements, observation.elements[1:], strict=False):
        if field.role == "textbox":
            yield Fill(field.id, _after(observation, before.name.rstrip(":")))
    yield submit(observation)


def calculate(observation: Observation) -> OracleScript:
    """Enter the result of the sum, difference or product."""
    first, operator, second = find_all(observation, "text")[0].name.rstrip(" =").split()
    yield from answer(observation, str(ARITHMETIC[operator](int(first), int(second))))


def solve_for_x(observation: Observation) -> OracleScript:
    """Enter the x of an equation such as ``9 - x = 39``."""
    first, operator, second, _, result = find_all(observation, "text")[0].name.split()
    if operator == "+":
        x = int(result) - int(second if first == "x" else first)
    elif first == "x":
        x = int(result) + int(second)
    else:
        x = int(first) - int(result)
    yield from answer(observation, str(x))


def count_blocks(observation: Observation) -> OracleScript:
    """Enter the number of blocks on both sides of the plus."""
    yield from answer(observation, str(len(find_all(observation, "box"))))


def guess_number(observation: Observation) -> OracleScript:
    """Enter numbers that halve what the page's feedback leaves open."""
    low, high = 0, 9
    while low <= high:
        guess = (low + high) // 2
        yield Fill(find_all(observation, "spinbutton")[0].id, str(guess))
        observation = yield submit(observation)
        if any("higher" in element.name for element in find_all(observation, "text")):
            low = guess + 1
        else:
            high = guess - 1


def generate_number(observation: Observation) -> OracleScript:
    """Draw numbers until one is as wanted."""
    wanted, bound = match(observation, r"Generate an? (?:number )?(less than|greater than|odd|even)\D*(\d*).*")
    fits: Callable[[int], bool] = {
        "less than": lambda number: number < int(bound),
        "greater than": lambda number: number > int(bound),
        "odd": lambda number: number % 2 == 1,
        "even": lambda number: number % 2 == 0,
    }[wanted]
    while True:
        observation = yield Click(element=find(observation, "Generate", "button").id)
        if fits(int(find_all(observation, "text")[0].name)):
            break
    yield submit(observation)


def search(observation: Observation) -> OracleScript:
    """Search for the text in quotes, turn to the page of the result that is wanted and click on it."""
    place = ordinal(match(observation, r".* click the (\w+) search result\.")[0]) - 1
    yield Fill(find_all(observation, "textbox")[0].id, quoted(observation)[0])
    observation = yield submit(observation, "Search")
    page, row = divmod(place, 3)
    if page:
        observation = yield Click(element=find(observation, str(page + 1), "link").id)
    yield Click(element=find_all(observation, "link")[row].id)


def find_contact(observation: Observation) -> OracleScript:
    """Turn the pages of the contact book to a person and click on what is asked for."""
    person, wanted = match(observation, r"Find (.+) in the contact book and click on their (\w+).*")
    while find_all(observation, "heading")[0].name != person:
        observation = yield Click(element=find(observation, ">", "link").id)
    label = find(observation, f"{wanted.capitalize()}:", "text")
    yield Click(element=observation.elements[observation.elements.index(label) + 1].id)


def count_shapes(observation: Observation) -> OracleScript:
    """Click the number of figures that have all the named properties."""
    wanted = set(match(observation, r"How many (.*)s are there\?")[0].split())
    count = sum(wanted <= words_of(graphic) for graphic in find_all(observation, "graphic"))
    yield Click(element=find(observation, str(count), "button").id)


def order_food(observation: Observation) -> OracleScript:
    """Order the dishes that are named, or some that are of a kind; signs of kind and a plus follow each dish."""
    dishes, kinds = _menu(observation)
    kind = re.fullmatch(r"Order (\d+) items that are (.+)", observation.instruction)
    if kind:
        wanted = [dish for dish in dishes if kind[2] in kinds[dish]]
        wanted = [wanted[index % len(wanted)] for index in range(int(kind[1]))]
    else:
        wanted = match(observation, r"Order one of each item: (.+)")[0].split(", ")
    for dish in wanted:
        yield Click(element=dishes[dish])
    yield submit(observation, "Order!")


def buy_ticket(observation: Observation) -> OracleScript:
    """Buy the ticket with the lowest or highest price or duration."""
    extreme = min if re.search("cheapest|shortest", observation.instruction) else max
    books = find_all(observation, "button")
    figures = [int(re.sub(r"\D", "", book.name)) for book in books]
    if "duration" in observation.instruction:
        times = [re.fullmatch(r"(\d+)h (\d+)m", element.name) for element in find_all(observation, "text")]
        figures = [60 * int(time[1]) + int(time[2]) for time in times if time]
    yield Click(element=books[figures.index(extreme(figures))].id)


def _after(observation: Observation, name: str) -> str:
    """Return the name of the element that follows the first one of a name."""
    return observation.elements[observation.elements.index(find(observation, name)) + 1].name


def _menu(observation: Observation) -> tuple[dict[str, int], dict[str, set[str]]]:
    """Return, by dish, the id of its plus and the names of its signs."""
    dishes: dict[str, int] = {}
    kinds: dict[str, set[str]] = {}
    dish = ""
    for element in observation.elements:
        if element.role == "img":
            kinds[dish].add(element.name)
        elif element.name == "+":
            dishes[dish] = element.id
        elif element.name != "-":
            dish = element.name
            kinds[dish] = set()
    return dishes, kinds


READING: dict[str, Callable[[Observation], OracleScript]] = {
    "buy-ticket": buy_ticket,
    "copy-paste": copy_text,
    "copy-paste-2": copy_text,
    "count-shape": count_shapes,
    "find-word": find_word,
    "generate-number": generate_number,
    "guess-number": guess_number,
    "order-food": order_food,
    "phone-book": find_contact,
    "read-table": read_cell,
    "read-table-2": read_cells,
    "search-engine": search,
    "simple-algebra": solve_for_x,
    "simple-arithmetic": calculate,
    "text-transform": read_characters,
    "visual-addition": count_blocks,
}
