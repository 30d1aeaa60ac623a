"""Oracles of tasks on a list of social media posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Click
from agentgym_miniwob.oracles.clicking import find, match

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

ICONS = {"Reply": "reply", "Retweet": "retweet", "Like": "like", "Share": "share"}


def icons_of(observation: Observation, user: str, icon: str) -> list[int]:
    """Return the ids of an icon in each of a user's posts; a post's icons follow its user's name."""
    elements = observation.elements
    posts = [index for index, element in enumerate(elements) if element.name == user]
    return [next(each.id for each in elements[post:] if each.name == icon) for post in posts]


def act_on_post(observation: Observation) -> OracleScript:
    """Click an icon of the user's post, or an item of the menu that the post's last icon opens."""
    user, item = match(observation, r'For the user (.*), click on the "(.*)" button\.')
    if item in ICONS:
        yield Click(element=icons_of(observation, user, ICONS[item])[0])
        return
    observation = yield Click(element=icons_of(observation, user, "more")[0])
    label = f"{item} {user}" if item in {"Mute", "Block"} else item
    yield Click(element=find(observation, label).id)


def act_on_all_posts(observation: Observation) -> OracleScript:
    """Click an icon of every post of the user, then Submit."""
    item, user = match(observation, r'Click the "(.*)" button on all posts by (.*) and then click Submit\.')
    for icon in icons_of(observation, user, ICONS[item]):
        yield Click(element=icon)
    yield Click(element=find(observation, "Submit", "button").id)


def act_on_some_posts(observation: Observation) -> OracleScript:
    """Click an icon of as many posts of the user as are asked for, then Submit."""
    item, count, user = match(observation, r'Click the "(.*)" button on (\d+) posts? by (.*) and then click Submit\.')
    for icon in icons_of(observation, user, ICONS[item])[: int(count)]:
        yield Click(element=icon)
    yield Click(element=find(observation, "Submit", "button").id)


POSTS: dict[str, Callable[[Observation], OracleScript]] = {
    "social-media": act_on_post,
    "social-media-all": act_on_all_posts,
    "social-media-some": act_on_some_posts,
}
