"""Words: what labels, values and sentences of synthetic pages are made of.

``words.txt`` holds common words (counted in the documentation of Python packages), words of user interfaces, the
filler Latin and the names of the `miniwob` package (MIT). Half of what `Lexicon.label` returns is in no list:
pseudo-words, random letters and digits, numbers. A model that is to copy any label must not rely on knowing it.
"""

from __future__ import annotations

import functools
import string
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random

ALPHANUMERIC = string.ascii_letters + string.digits
ONSETS = ("", *"bcdfghjklmnprstvwz", "br", "ch", "cl", "dr", "fl", "gr", "kr", "pl", "qu", "sh", "sk", "st", "th", "tr")
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "ie", "oo", "ou", "y")
CODAS = ("", "", "", *"dgklmnprstx", "ck", "nd", "ng", "nt", "rd", "sh", "st", "th")
COMMON_WORDS = 400  # of the list, the ones that name things in interfaces come first


class Words(NamedTuple):
    """The three sections of ``words.txt``."""

    common: tuple[str, ...]
    latin: tuple[str, ...]
    names: tuple[str, ...]


@functools.cache
def words() -> Words:
    """Read the word list that is installed with the package."""
    text = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8")
    common, latin, names = (part.split("\n")[1:] for part in text.strip().split("# ")[1:])
    return Words(*(tuple(word for word in part if word) for part in (common, latin, names)))


class Lexicon:
    """Draws labels, values and sentences from one random generator."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.words = words()

    def word(self) -> str:
        """Return a listed word in lower case."""
        rng = self.rng
        pool = self.words.latin if rng.random() < 0.2 else self.words.common
        limit = COMMON_WORDS if pool is self.words.common and rng.random() < 0.3 else len(pool)
        return pool[rng.randrange(limit)]

    def pseudo(self) -> str:
        """Return a pronounceable word of one to three syllables that is probably in no list."""
        rng = self.rng
        syllables = range(rng.choice((1, 2, 2, 3)))
        return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in syllables)

    def code(self, *, low: int = 2, high: int = 8) -> str:
        """Return random letters and digits, such as ``yV5``."""
        return "".join(self.rng.choices(ALPHANUMERIC, k=self.rng.randint(low, high)))

    def number(self) -> str:
        """Return a number of one to five digits, sometimes with a point."""
        digits = self.rng.choice((9, 99, 999, 9999, 99999))
        text = str(self.rng.randint(0, digits))
        return f"{text}.{self.rng.randint(0, 99):02d}" if self.rng.random() < 0.15 else text

    def person(self) -> str:
        """Return a first name, or a first and last name."""
        rng = self.rng
        names = self.words.names
        return f"{rng.choice(names)} {rng.choice(names)}" if rng.random() < 0.25 else rng.choice(names)

    def phrase(self) -> str:
        """Return one to three listed words in one of the usual capitalisations."""
        rng = self.rng
        text = " ".join(self.word() for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))
        style = rng.random()
        if style < 0.35:
            return text.capitalize()
        if style < 0.55:
            return text.title()
        return text.upper() if style < 0.62 else text

    def label(self) -> str:
        """Return the label of one element: mostly short, of any kind."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.5:
            return self.phrase()
        if kind < 0.65:
            text = self.pseudo()
            return text.capitalize() if rng.random() < 0.4 else text
        if kind < 0.84:
            return self.code()
        if kind < 0.94:
            return self.person()
        return self.number()

    def labels(self, count: int) -> list[str]:
        """Return different labels: no two are equal when case is ignored."""
        found: dict[str, str] = {}
        while len(found) < count:
            label = self.label()
            found.setdefault(label.lower(), label)
        return list(found.values())

    def sentence(self, low: int = 3, high: int = 10) -> str:
        """Return filler text."""
        rng = self.rng
        text = " ".join(self.word() for _ in range(rng.randint(low, high)))
        return text.capitalize() + rng.choice((".", ".", "", ":", "?", "!"))
