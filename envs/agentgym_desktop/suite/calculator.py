"""Tasks in the calculator, galculator: from one sum to a bill that is added up and written down.

What counts is what it shows: its display, its paper, the list in its preferences.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from agentgym.action import Done, Fill, Press, Type
from agentgym_desktop.apps import CALCULATOR, EDITOR
from agentgym_desktop.suite import words
from agentgym_desktop.suite.hands import choose, click, find, find_all, insist, said, until, until_gone, until_there
from agentgym_desktop.suite.judging import Part, harm_done, judge, lines_of
from agentgym_desktop.task import HOME, DesktopTask, Setup

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Element, Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.suite.hands import Hands
    from agentgym_desktop.task import Evidence

BASES = {"hexadecimal": ("Hexadecimal", "X"), "octal": ("Octal", "o"), "binary": ("Binary", "b")}
UNITS = {"degrees": ("Degrees", 180), "gradians": ("Gradians", 200)}
FUNCTIONS = {"sine": ("sin", math.sin), "cosine": ("cos", math.cos), "tangent": ("tan", math.tan)}
PRECISION = 1e-8  # of what is compared; the display has twelve digits
BILL = "bill.txt"


class Compute(DesktopTask):
    """Work out a product and a difference, and leave the result on the calculator's display."""

    id = "desktop/calculator-compute"
    description = __doc__ or ""
    apps = (CALCULATOR,)
    max_steps = 12

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        a, b, c = rng.randint(1000, 9999), rng.randint(101, 999), rng.randint(10_000, 99_999)
        instruction = f"How much is {a} times {b}, less {c}? Leave the result on the calculator's display."
        return Setup(instruction, goal=str(a * b - c))

    def score(self, evidence: Evidence) -> Score:
        """Judge the display."""
        return judge([Part(f"the display shows {evidence.goal}", displayed(evidence.elements) == evidence.goal)])

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        a, b, c = said(observation, r"is (\d+) times (\d+), less (\d+)\?")
        yield Type(f"{a}*{b}-{c}")
        yield Press("Enter")
        yield Done()


class OtherBase(DesktopTask):
    """Show a number in another number base on the calculator's display."""

    id = "desktop/calculator-base"
    description = __doc__ or ""
    apps = (CALCULATOR,)
    max_steps = 16

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        base = rng.choice(tuple(BASES))
        number = rng.randint(1025, 2047) if base == "binary" else rng.randint(5_000, 65_000)
        instruction = f"Let the calculator show me the decimal number {number} in {base}."
        return Setup(instruction, goal={"base": base, "digits": format(number, BASES[base][1])})

    def score(self, evidence: Evidence) -> Score:
        """Judge the display, and by the keys that can be pressed which base it is in."""
        base, digits = evidence.goal["base"], evidence.goal["digits"]
        keys = {each.name for each in evidence.elements if each.role == "button" and "disabled" not in each.states}
        least, most = {"hexadecimal": ({"9", "F"}, set()), "octal": ({"7"}, {"8"}), "binary": ({"1"}, {"2"})}[base]
        in_base = least <= keys and not most & keys
        right = in_base and displayed(evidence.elements) == digits
        return judge([Part(f"the calculator is in {base}", in_base, 0.3), Part(f"it shows {digits}", right, 0.7)])

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        number, base = said(observation, r"number (\d+) in (\w+)\.")
        observation = yield from choose(observation, "View", "Scientific Mode")
        yield from until_there(observation, "button", "sin")
        observation = yield Type(number)
        yield from choose(observation, "Calculator", "Number bases", BASES[base][0])
        yield Done()


class Angle(DesktopTask):
    """Work out a sine, cosine or tangent of an angle in a unit that the calculator is not set to."""

    id = "desktop/calculator-angle"
    description = __doc__ or ""
    apps = (CALCULATOR,)
    max_steps = 18

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        function, unit = rng.choice(tuple(FUNCTIONS)), rng.choice(tuple(UNITS))
        angle = rng.randint(1001, 8999) / 100
        value = FUNCTIONS[function][1](angle * math.pi / UNITS[unit][1])
        instruction = f"I need the {function} of {angle} {unit}, as exactly as the calculator shows it. Leave it there."
        return Setup(instruction, goal=value)

    def score(self, evidence: Evidence) -> Score:
        """Judge the display."""
        shown = _number(displayed(evidence.elements))
        right = shown is not None and math.isclose(shown, evidence.goal, rel_tol=PRECISION)
        return judge([Part(f"the display shows {evidence.goal:.9f}", right)])

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        function, angle, unit = said(observation, r"the (\w+) of ([\d.]+) (\w+),")
        observation = yield from choose(observation, "View", "Scientific Mode")
        observation = yield from until_there(observation, "button", "sin")
        yield from choose(observation, "Calculator", "Angle units", UNITS[unit][0])
        observation = yield Type(angle)
        yield from click(observation, "button", FUNCTIONS[function][0])
        yield Done()


class Paper(DesktopTask):
    """Work out three things one below the other in the calculator's paper mode."""

    id = "desktop/calculator-paper"
    description = __doc__ or ""
    apps = (CALCULATOR,)
    max_steps = 20

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        a, b = rng.randint(101, 999), rng.randint(11, 99)
        c, d = rng.randint(5000, 9999), rng.randint(1000, 4999)
        quotient, e = rng.randint(101, 999), rng.randint(11, 99)
        sums = ((a, b, a * b), (c, d, c - d), (quotient * e, e, quotient))
        instruction = (
            f"Work out {a} times {b}, {c} minus {d} and {quotient * e} divided by {e} in the paper mode of the "
            "calculator, so that I can see all three with their results."
        )
        return Setup(instruction, goal=sums)

    def score(self, evidence: Evidence) -> Score:
        """Judge the paper, sum by sum: a line with both numbers, and the result in the next."""
        cells = [each.name for each in evidence.elements if each.role == "gridcell"]
        pairs = [(re.findall(r"\d+", line), _number(result)) for line, result in pairwise(cells)]
        return judge(
            Part(f"{first} and {second} have given {result}", ([str(first), str(second)], float(result)) in pairs)
            for first, second, result in evidence.goal
        )

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        a, b, c, d, e, f = said(observation, r"(\d+) times (\d+), (\d+) minus (\d+) and (\d+) divided by (\d+) ")
        observation = yield from choose(observation, "View", "Paper Mode")
        for line in (f"{a}*{b}", f"{c}-{d}", f"{e}/{f}"):
            observation = yield from until_there(observation, "button", "Enter")
            observation = yield Fill(find(observation, "textbox").id, line)
            observation = yield Press("Enter")
            observation = yield from until_there(observation, "gridcell", line)
        yield Done()


class Separator(DesktopTask):
    """Let the calculator part long numbers with a character of one's choice, and show one."""

    id = "desktop/calculator-separator"
    description = __doc__ or ""
    apps = (CALCULATOR,)
    max_steps = 22

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        sign, name = rng.choice((("'", "an apostrophe"), (",", "a comma"), ("_", "an underscore")))
        number = rng.randint(1_000_000, 99_999_999)
        instruction = (
            f"I cannot read long numbers. Let the calculator put {name} ({sign}) between the thousands, "
            f"and then show {number} on its display."
        )
        return Setup(instruction, goal=f"{number:,}".replace(",", sign))

    def score(self, evidence: Evidence) -> Score:
        """Judge the display."""
        shown = displayed(evidence.elements)
        digits = re.sub(r"\D", "", evidence.goal)
        parts = [
            Part("the number on the display is parted", len(re.findall(r"\d+", shown)) > 1 and "." not in shown, 0.5),
            Part(f"the display shows {evidence.goal}", shown == evidence.goal),
            Part("it is the right number, parted", shown != digits and re.sub(r"\D", "", shown) == digits, 0.5),
        ]
        return judge(parts)

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        sign, number = said(observation, r"\((.)\) between .* show (\d+) on")
        observation = yield from open_preferences(observation, "Numbers")
        observation = yield from click(observation, "checkbox", "Show thousands separator")
        observation = yield Fill(beside(observation, "Separator character:").id, sign)
        observation = yield from click(observation, "button", "Close")
        yield from until_gone(observation, "dialog", "galculator Preferences")
        yield Type(number)
        yield Done()


class Constant(DesktopTask):
    """Add a constant with name, value and description to the list in the calculator's preferences."""

    id = "desktop/calculator-constant"
    description = __doc__ or ""
    apps = (CALCULATOR,)
    max_steps = 20

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        name, value = rng.choice(words.THINGS), f"{rng.randint(2, 99)}.{rng.randint(101, 999) * 10 + 7}"
        city = rng.choice(words.CITIES)
        instruction = (
            f"Add a constant to those that the calculator knows: name {name}, value {value}, description "
            f'"{city} rate". Leave the list open, so that I can see it.'
        )
        return Setup(instruction, goal=(name, value, f"{city} rate"))

    def score(self, evidence: Evidence) -> Score:
        """Judge the list, column by column of the row that has the name."""
        name, value, what = evidence.goal
        cells = [each.name for each in evidence.elements if each.role == "gridcell"]
        rows = [cells[at : at + 3] for at in range(0, len(cells) - 2, 3)]
        row = next((row for row in rows if row[0] == name), None)
        parts = [
            Part(f"there is a constant {name}", row is not None),
            Part(f"its value is {value}", row is not None and _number(row[1]) == float(value)),
            Part(f"its description is {what!r}", row is not None and row[2] == what),
        ]
        lost = [
            f"the constant {known} is gone" for known in ("pi", "e") if row and known not in (row[0] for row in rows)
        ]
        return judge(parts, lost)

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        texts = said(observation, r'name (\w+), value ([\d.]+), description "([^"]+)"')
        observation = yield from open_preferences(observation, "Constants")
        for label, text in zip(("Name:", "Value:", "Description:"), texts, strict=True):
            observation = yield Fill(beside(observation, label).id, text)
        observation = yield from click(observation, "button", "Add")
        yield from until_there(observation, "gridcell", texts[0])
        yield Done()


class Bill(DesktopTask):
    """Add up a bill that is open in the text editor with the calculator, and write the sum below it."""

    id = "desktop/calculator-bill"
    description = __doc__ or ""
    apps = (CALCULATOR,)
    max_steps = 30

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        rows = [(thing, rng.randint(2, 19), rng.randint(105, 9995)) for thing in rng.sample(words.THINGS, 5)]
        text = "".join(f"{thing}: {count} at {cents / 100:.2f} each\n" for thing, count, cents in rows)
        total = Decimal(sum(count * cents for _, count, cents in rows)) / 100
        who = words.full_name(rng)
        instruction = (
            f"This is the bill for {who}. Work out with the calculator what it comes to, write that below it as a line "
            f'such as "Total for {who}: 12.30", and save the bill.'
        )
        files = {BILL: text.encode()}
        goal = {"who": who, "total": total, "files": files}
        return Setup(instruction, goal=goal, files=files, opens=(EDITOR.with_(f"{HOME}/{BILL}"),))

    def score(self, evidence: Evidence) -> Score:
        """Judge the file's last line; the others are to stay."""
        goal = evidence.goal
        rows = lines_of(goal["files"][BILL])
        found = [line for line in lines_of(evidence.read(BILL)) if line.strip()]
        added = found[len(rows) :] if found[: len(rows)] == rows else []
        line = re.fullmatch(rf"Total for {goal['who']}: (\d{{1,9}}(?:\.\d{{1,2}})?)", "\n".join(added))
        right = line is not None and Decimal(line[1]) == goal["total"]
        parts = [
            Part("there is one more line, and it says what it is", line is not None, 0.2),
            Part(f"the total is {goal['total']:.2f}", right, 0.8),
        ]
        return judge(parts, harm_done(evidence, goal["files"], may=[BILL]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (who,) = said(observation, r'"Total for ([^:]+): ')
        bill = next(each.value for each in find_all(observation, "textbox") if " each" in each.value)
        rows = re.findall(r"(\d+) at ([\d.]+) each", bill)
        observation = yield from to_window(observation, "galculator")
        yield Type("+".join(f"{count}*{price}" for count, price in rows))
        observation = yield Press("Enter")
        last = float(rows[-1][1])  # what it shows until it has worked out the rest
        observation = yield from until(observation, lambda seen: _number(displayed(seen.elements)) not in {None, last})
        total = displayed(observation.elements)
        yield from to_window(observation, BILL)
        yield Press("Control+End")
        yield Type(f"Total for {who}: {total}\n")
        yield Press("Control+s")
        yield Done()


def displayed(elements: Iterable[Element]) -> str:
    """Return the number on the calculator's display; "" where it has none or is covered.

    In the scientific mode, what the calculator is set to stands in the same field, below the number.
    """
    shown = [each.value for each in elements if each.role == "textbox" and "readonly" in each.states]
    return next((value.split()[0] for value in shown if value.strip()), "")


def beside(observation: Observation, label: str) -> Element:
    """Return the field that stands at the height of a label."""
    at = find(observation, "text", label).box.y
    return min(find_all(observation, ("textbox", "spinbutton")), key=lambda field: abs(field.box.y - at))


def open_preferences(observation: Observation, page: str) -> Hands:
    """Open a page of the calculator's preferences."""
    observation = yield from choose(observation, "Edit", "Preferences...")
    return (yield from click(observation, "tab", page))


def to_window(observation: Observation, title: str) -> Hands:
    """Bring the other window to the front."""
    return (
        yield from insist(observation, lambda _: Press("Alt+Tab"), lambda seen: title in seen.title, f"window {title}")
    )


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,20}(\.\d{1,20})?", text) else None


TASKS = (Compute(), OtherBase(), Angle(), Paper(), Separator(), Constant(), Bill())
