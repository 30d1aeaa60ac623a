"""Tasks in the browser of the desktop, Chromium, on pages that lie in the home folder.

A page that sends a form keeps a receipt of it among the downloads, by itself: that is what is judged.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from agentgym.action import Click, Done, Fill, Select
from agentgym_desktop.apps import BROWSER
from agentgym_desktop.suite import words
from agentgym_desktop.suite.hands import click, find, find_all, said, until, until_there
from agentgym_desktop.suite.judging import Part, harm_done, judge
from agentgym_desktop.task import DesktopTask, Setup
from agentgym_rewards import text_matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.suite.hands import Hands
    from agentgym_desktop.task import Evidence

MAX_RECEIPT = 10_000  # bytes
RECEIPT = "Downloads/receipt.json"
_LOOKS = (
    "<meta charset=utf-8><style>body{font:16px sans-serif;margin:24px}td,th{padding:4px 12px;text-align:left}</style>"
)
_SEND = """
<script>
addEventListener('submit', event => {
  event.preventDefault()
  const said = JSON.stringify(Object.fromEntries(new FormData(event.target)))
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([said], {type: 'application/json'}))
  link.download = 'receipt.json'
  link.click()
  document.body.innerHTML = '<h1>Thank you</h1><p>Your form has been sent.'
})
</script>
"""


def page(title: str, body: str) -> bytes:
    """Return a page."""
    return f"<!doctype html><html lang=en><title>{escape(title)}</title>{_LOOKS}<h1>{escape(title)}</h1>{body}".encode()


def table(rows: Sequence[Sequence[object]]) -> str:
    """Return a table whose first row has the headings."""
    head, *others = rows
    made = "".join(f"<th>{escape(str(each))}</th>" for each in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(each))}</td>' for each in row)}</tr>" for row in others)
    return f"<table><tr>{made}</tr>{body}</table>"


def links(targets: Iterable[tuple[str, str]]) -> str:
    """Return a list of links: file and what is written on it."""
    items = "".join(f"<li><a href='{file}'>{escape(text)}</a></li>" for file, text in targets)
    return f"<ul>{items}</ul>"


def receipt(evidence: Evidence) -> dict[str, Any]:
    """Return what was sent, by the names of fields; empty where nothing was."""
    content = evidence.read(RECEIPT, max_bytes=MAX_RECEIPT)
    try:
        found = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class BrowserPageTask(DesktopTask):
    """A task in which the browser shows a page."""

    max_steps = 24

    def shown(self, instruction: str, files: Mapping[str, bytes], **goal: object) -> Setup:
        """Return a set-up whose browser shows the first of its files."""
        return Setup(instruction, {"files": files, **goal}, files, (BROWSER.with_(next(iter(files))),))

    def harm(self, evidence: Evidence) -> list[str]:
        """Return what was done to the files."""
        return harm_done(evidence, evidence.goal["files"], may=["Downloads"])


class FillForm(BrowserPageTask):
    """Fill in a form of fields, lists, choices and boxes on a page, and send it."""

    id = "desktop/browser-fill-form"
    description = __doc__ or ""
    courses = ("Pottery", "Sailing", "Chess", "Cooking", "Juggling")
    levels = ("Beginner", "Advanced", "Expert")

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        name, course, level = words.full_name(rng), rng.choice(self.courses), rng.choice(self.levels)
        age, lunch, city = rng.randint(16, 80), rng.random() < 0.5, rng.choice(words.CITIES)
        options = "".join(f"<option>{each}</option>" for each in ("Please choose", *self.courses))
        radios = "".join(f"<label><input type=radio name=level value={each}> {each}</label> " for each in self.levels)
        body = (
            "<form><p><label>Full name <input name=name></label><p><label>Age <input name=age size=4></label>"
            "<p><label>Home town <input name=town></label>"
            f"<p><label>Course <select name=course>{options}</select></label>"
            f"<p>{radios}<p><label><input type=checkbox name=lunch value=yes> I would like lunch</label>"
            f"<p><button>Enrol</button></form>{_SEND}"
        )
        instruction = (
            f"Enrol {name}, who is {age} years old and lives in {city}, for the course {course} on the level {level}, "
            f"{'with' if lunch else 'without'} lunch, with the form on this page."
        )
        wanted = {"name": name, "age": str(age), "town": city, "course": course, "level": level}
        if lunch:
            wanted["lunch"] = "yes"
        return self.shown(instruction, {"courses.html": page("Courses", body)}, wanted=wanted)

    def score(self, evidence: Evidence) -> Score:
        """Judge what was sent."""
        sent, wanted = receipt(evidence), evidence.goal["wanted"]
        parts = [
            Part(f"{field} is {value}", text_matches(sent.get(field), value).value == 1.0)
            for field, value in wanted.items()
            if field != "lunch"
        ]
        named = parts[0].so  # a form sent as it was says nothing of lunch, either
        parts.append(Part("lunch is as wanted", named and sent.get("lunch") == wanted.get("lunch")))
        parts.append(Part("all of it is", bool(sent) and sent == wanted, 3.0))
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        name, age, town, course, level, lunch = said(
            observation,
            r"Enrol (\w+ \w+), who is (\d+) .* lives in (\w+), for the course (\w+) on the level (\w+), (\w+) lunch",
        )
        for label, text in (("Full name", name), ("Age", age), ("Home town", town)):
            observation = yield Fill(find(observation, "textbox", label).id, text)
        observation = yield Select(find(observation, "combobox", "Course").id, course)
        observation = yield Click(find(observation, "radio", level).id)
        if lunch == "with":
            observation = yield Click(find(observation, "checkbox", "I would like lunch").id)
        observation = yield from click(observation, "button", "Enrol")
        yield from saved(observation)
        yield Done()


def saved(observation: Observation) -> Hands:
    """See that the receipt has been kept: the browser tells what it has downloaded."""
    return (
        yield from until(
            observation,
            lambda seen: any("receipt" in each.name and "Done" in each.name for each in find_all(seen, "button")),
            "the receipt among the downloads",
        )
    )


class CompareOffers(BrowserPageTask):
    """Find which of several linked pages has the lowest price for a thing, and answer with its shop."""

    id = "desktop/browser-compare-offers"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        shops = rng.sample(words.LAST_NAMES, rng.randint(3, 5))
        things = rng.sample(words.THINGS, 6)
        wanted = rng.choice(things)
        prices = rng.sample(range(20, 99), len(shops))
        files = {"shops.html": page("Shops of the town", links((f"{shop.lower()}.html", shop) for shop in shops))}
        for shop, price in zip(shops, prices, strict=True):
            offered = rng.sample(things, 6)
            rows = [("Thing", "Price"), *((each, price if each == wanted else rng.randint(20, 99)) for each in offered)]
            back = links([("shops.html", "All shops")])
            files[f"{shop.lower()}.html"] = page(f"The shop of {shop}", table(rows) + back)
        instruction = (
            f"Look through all shops of this page: which one sells the {wanted} for the lowest price? "
            "Answer with its name."
        )
        return self.shown(instruction, files, answer=shops[prices.index(min(prices))])

    def score(self, evidence: Evidence) -> Score:
        """Judge the answer."""
        match = text_matches((evidence.answer or "").strip(" ."), evidence.goal["answer"], ignore_case=True)
        return judge([Part(match.reason, match.value == 1.0)], self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (thing,) = said(observation, r"sells the (\w+) for")
        prices: dict[int, str] = {}
        for shop in [each.name for each in find_all(observation, "link")]:
            observation = yield from click(observation, "link", shop)
            observation = yield from until_there(observation, "heading", f"The shop of {shop}")
            observation = yield from until_there(observation, "gridcell", thing)
            cells = [each.name for each in find_all(observation, "gridcell")]
            prices[int(cells[cells.index(thing) + 1])] = shop
            observation = yield from click(observation, "link", "All shops")
            observation = yield from until_there(observation, "heading", "Shops of the town")
        yield Done(prices[min(prices)])


class KeepTabs(BrowserPageTask):
    """Open some of a page's links in tabs of their own, and leave just these and the page itself open."""

    id = "desktop/browser-keep-tabs"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        cities = rng.sample(words.CITIES, 7)
        wanted = rng.sample(cities, 2)
        title = f"Journeys {rng.randint(2010, 2024)}"
        files = {"journeys.html": page(title, links((f"{city.lower()}.html", f"To {city}") for city in cities))}
        for city in cities:
            files[f"{city.lower()}.html"] = page(f"{city} by train", f"<p>{rng.choice(words.SENTENCES)}.")
        instruction = (
            f"Have the pages about {wanted[0]} and {wanted[1]} open in tabs of their own, beside the tab of this page, "
            "and no other tabs."
        )
        return self.shown(instruction, files, wanted=[title, *(f"{city} by train" for city in wanted)])

    def score(self, evidence: Evidence) -> Score:
        """Judge the tabs."""
        wanted = evidence.goal["wanted"]
        tabs = [each.name.partition(" - ")[0] for each in evidence.elements if each.role == "tab"]
        kept = wanted[0] in tabs
        parts = [Part(f"{each} is open beside the page", kept and tabs.count(each) == 1) for each in wanted[1:]]
        parts.append(Part(f"no others are ({tabs})", sorted(tabs) == sorted(wanted), 2.0))
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        for city in said(observation, r"about (\w+) and (\w+) open"):
            observation = yield Click(find(observation, "link", f"To {city}").id, button="middle")
            observation = yield from _tab(observation, f"{city} by train")
        yield Done()


def _tab(observation: Observation, title: str) -> Hands:
    """See a tab open."""
    return (
        yield from until(
            observation,
            lambda seen: any(each.name.startswith(title) for each in find_all(seen, "tab")),
            f"the tab {title!r}",
        )
    )


class OrderFromCatalogue(BrowserPageTask):
    """Find an article in a catalogue of several pages and order it, with what else is wanted, by the form there."""

    id = "desktop/browser-order-from-catalogue"
    description = __doc__ or ""
    max_steps = 30

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        groups = rng.sample(words.TOPICS, 4)
        things = rng.sample(words.THINGS, 12)
        numbers = rng.sample(range(1000, 9999), 12)
        files = {"catalogue.html": page("Catalogue", links((f"{group}.html", f"For {group}") for group in groups))}
        for at, group in enumerate(groups):
            rows = [("Article", "Number"), *zip(things[3 * at : 3 * at + 3], numbers[3 * at : 3 * at + 3], strict=True)]
            files[f"{group}.html"] = page(
                f"Articles for {group}", table(rows) + links([("catalogue.html", "Catalogue"), ("order.html", "Order")])
            )
        pay = "".join(f"<option>{each}</option>" for each in ("Invoice", "Card", "Cash"))
        files["order.html"] = page(
            "Order",
            "<form><p><label>Number of the article <input name=number></label>"
            "<p><label>Pieces <input name=pieces></label><p><label>Name <input name=name></label>"
            f"<p><label>Payment <select name=payment>{pay}</select></label><p><button>Order now</button></form>{_SEND}",
        )
        at = rng.randrange(12)
        pieces, name, payment = rng.randint(2, 50), words.full_name(rng), rng.choice(("Card", "Cash"))
        instruction = (
            f"Order {pieces} pieces of the article {things[at]} from this catalogue for {name}, to be paid by "
            f"{payment.lower()}."
        )
        wanted = {"number": str(numbers[at]), "pieces": str(pieces), "name": name, "payment": payment}
        return self.shown(instruction, files, wanted=wanted)

    def score(self, evidence: Evidence) -> Score:
        """Judge the order."""
        sent, wanted = receipt(evidence), evidence.goal["wanted"]
        parts = [
            Part(f"{key} is {value}", text_matches(sent.get(key), value).value == 1.0) for key, value in wanted.items()
        ]
        parts.append(Part("the order is as wanted", sent == wanted, 4.0))
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        pieces, thing, name, payment = said(
            observation, r"Order (\d+) pieces of the article (\w+) .* for (\w+ \w+), to be paid by (\w+)\."
        )
        number = ""
        for group in [each.name for each in find_all(observation, "link")]:
            observation = yield from click(observation, "link", group)
            observation = yield from until_there(observation, "columnheader", "Number")
            cells = [each.name for each in find_all(observation, "gridcell")]
            if thing in cells:
                number = cells[cells.index(thing) + 1]
                break
            observation = yield from click(observation, "link", "Catalogue")
            observation = yield from until_there(observation, "heading", "Catalogue")
        observation = yield from click(observation, "link", "Order")
        observation = yield from until_there(observation, "button", "Order now")
        for label, text in (("Number of the article", number), ("Pieces", pieces), ("Name", name)):
            observation = yield Fill(find(observation, "textbox", label).id, text)
        observation = yield Select(find(observation, "combobox", "Payment").id, payment.title())
        observation = yield from click(observation, "button", "Order now")
        yield from saved(observation)
        yield Done()


TASKS: tuple[DesktopTask, ...] = (FillForm(), CompareOffers(), KeepTabs(), OrderFromCatalogue())
