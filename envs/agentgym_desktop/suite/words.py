"""The words that instances of the suite are drawn from: plain ones, none of which is part of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIRST_NAMES = (
    "Ada", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Henry", "Irene", "Jonas", "Kira", "Leon", "Maria",
    "Nadia", "Oscar", "Paula", "Quentin", "Rosa", "Simon", "Tara", "Ugo", "Vera", "Walter", "Xenia", "Yusuf", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Abbott", "Berger", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanov", "Jansen", "Kowalski",
    "Larsen", "Moreau", "Novak", "Okafor", "Petrov", "Quinn", "Rossi", "Santos", "Tanaka", "Ueda", "Varga", "Weber",
    "Xu", "Young", "Zimmer",
)  # fmt: skip
CITIES = (
    "Athens", "Berlin", "Cairo", "Dublin", "Edinburgh", "Florence", "Geneva", "Helsinki", "Istanbul", "Jakarta",
    "Kyoto", "Lisbon", "Madrid", "Nairobi", "Oslo", "Prague", "Quito", "Rome", "Sofia", "Toronto", "Utrecht",
    "Vienna", "Warsaw", "Xiamen", "York", "Zurich",
)  # fmt: skip
THINGS = (
    "anchor", "basket", "candle", "drawer", "engine", "feather", "garden", "hammer", "island", "jacket", "kettle",
    "ladder", "mirror", "needle", "orchard", "pillow", "quarry", "ribbon", "saddle", "tunnel", "umbrella", "violin",
    "wagon", "yarn", "zipper",
)  # fmt: skip
TOPICS = (
    "budget", "travel", "kitchen", "school", "holiday", "garden", "music", "insurance", "wedding", "football",
    "library", "bicycle", "hiking", "recipes", "taxes", "moving", "camping", "painting", "birthday", "market",
)  # fmt: skip
COLOURS = (
    "amber", "blue", "crimson", "green", "indigo", "orange", "purple", "silver", "violet", "white", "yellow",
)  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
SENTENCES = (
    "The meeting starts a little later than usual",
    "Please bring the keys to the front desk",
    "The train leaves from the second platform",
    "We need fresh flowers for the entrance",
    "The printer upstairs is out of paper",
    "Somebody left a scarf in the hall",
    "The parcel should arrive before noon",
    "All windows must be closed in the evening",
    "The new chairs are still in the van",
    "Remember to water the plants by the door",
    "The bakery around the corner has moved",
    "Our guests prefer the table near the window",
    "The lights in the corridor stay on at night",
    "A second copy lies in the lower cupboard",
    "The keys to the cellar hang behind the clock",
    "Lunch will be served on the terrace",
)


def full_name(rng: Random) -> str:
    """Return the name of a person."""
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def full_names(rng: Random, count: int) -> list[str]:
    """Return the names of people who share neither first nor last names; 26 at most."""
    names = zip(rng.sample(FIRST_NAMES, count), rng.sample(LAST_NAMES, count), strict=True)
    return [f"{first} {last}" for first, last in names]
