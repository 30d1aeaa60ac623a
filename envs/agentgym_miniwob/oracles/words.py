"""Oracles of tasks that ask for the meaning of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Click
from agentgym_miniwob.oracles.clicking import find_all, match
from agentgym_miniwob.oracles.forms import submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

# Words of about the same meaning.
SYNONYMS = """
big large huge enormous gigantic
small tiny little mini petite
red scarlet crimson vermillion
happy cheerful joyful gleeful delighted
sad unhappy sorrowful miserable tragic
angry mad furious irritated
evil wicked immoral sinful corrupt depraved
wrong incorrect mistaken erroneous
real genuine actual
strange odd peculiar unusual weird
stop cease halt end finish
scared terrified panicked fearful frightened afraid
quiet calm peaceful serene mild
old aged archaic
love like adore favor
kill murder assassinate
keep retain preserve sustain maintain
hide conceal camouflage
hate despise loathe detest dislike
funny humorous amusing comical laughable
fat fleshy plump chubby
stupid dumb dull unwise
delicious savory delectable appetizing
cut slice carve chop
brave courageous fearless
begin start initiate launch
answer reply response
television televisions TV TVs
house home houses homes
fire flame fires flames
pig pork swine
rabbit rabbits bunny bunnies
car cars automobile automobiles vehicle vehicles
water
"""
MEANINGS = {word: line for line in SYNONYMS.splitlines() for word in line.split()}


def tick_synonyms(observation: Observation) -> OracleScript:
    """Tick the words that mean the same as one of the listed, then Submit."""
    (words,) = match(observation, r"Select words similar to (.*) and click Submit\.")
    wanted = {MEANINGS[word] for word in words.split(", ")}
    for box in find_all(observation, "checkbox"):
        if MEANINGS[box.name] in wanted:
            yield Click(element=box.id)
    yield submit(observation)


WORDS: dict[str, Callable[[Observation], OracleScript]] = {
    "click-checkboxes-soft": tick_synonyms,
}
