"""Pages that cannot be told in full: what is kept, what is said of the rest, and that nothing else changes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from agentgym import registry
from agentgym.action import Click, Scroll
from agentgym.look import Budget, Look
from agentgym.observation import MAX_ELEMENTS, Element, Observation, Omitted
from tests.big_page import big_page
from tests.browser_page import PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.world import World

WIDTH, HEIGHT = 800, 600
SMALL = Budget(elements=60, characters=4000)
FIXED = "<div style='position: fixed; right: 0; bottom: 0; width: 90px; height: 30px'><button>Help</button></div>"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A world with a budget of 60 elements."""
    with registry.make_world("browser", look=Look(frozenset({"elements", "tree"}), SMALL)) as world:
        yield world


@pytest.fixture(scope="module")
def all_of_it() -> Iterator[World]:
    """A world with the largest budget."""
    with registry.make_world("browser", look=Look(budget=Budget(MAX_ELEMENTS, 10_000_000))) as world:
        yield world


def show(world: World, body: str) -> Observation:
    return open_page(world, PageTask(body).on_screen((WIDTH, HEIGHT)))


def in_view(element: Element) -> bool:
    x, y, width, height = element.box
    return y < HEIGHT and y + height > 0 and x < WIDTH and x + width > 0 and width > 0


def cost(observation: Observation) -> int:
    return sum(len(element.line) for element in observation.elements)


def test_what_is_in_view_is_kept_all_of_it_in_document_order(world: World, all_of_it: World) -> None:
    body = big_page(900)
    full, cut = show(all_of_it, body), show(world, body)
    assert full.omitted == Omitted()
    assert len(cut.elements) == SMALL.elements
    order = {(each.role, each.name, each.box): n for n, each in enumerate(full.elements) if each.box.width}
    kept = [order[each.role, each.name, each.box] for each in cut.elements if each.box.width]
    assert kept == sorted(kept)
    assert set(kept) >= {n for n, each in enumerate(full.elements) if in_view(each)}
    assert len(cut.elements) + sum(cut.omitted) == len(full.elements)


def test_beyond_the_view_what_can_be_acted_on_comes_before_text_and_the_nearest_first(world: World) -> None:
    rows = "".join(f"<p style='margin: 0; height: 30px'>text {n} <button>b{n}</button></p>" for n in range(80))
    kept = show(world, rows).elements
    view = [each for each in kept if in_view(each)]
    beyond = [each for each in kept if not in_view(each)]
    assert {each.role for each in view} == {"text", "button"}
    assert [each.name for each in beyond] == [f"b{n}" for n in range(20, 20 + len(beyond))]
    assert all(each.role == "button" for each in beyond)


def test_scrolling_moves_what_is_kept_and_the_counts(world: World) -> None:
    rows = "".join(f"<button style='display: block; height: 30px'>b{n}</button>" for n in range(300))
    first = show(world, rows)
    assert first.omitted == Omitted(above=0, here=0, below=240)
    second = act(world, Scroll(0, 4500))
    assert second.omitted.above > 0
    assert second.omitted.below > 0
    assert sum(second.omitted) == 240
    names = [int(each.name[1:]) for each in second.elements]
    assert names == list(range(names[0], names[0] + 60))
    assert names[0] < 150 < names[-1]
    assert first.omitted.line == "(240 more below: scroll to see them)"


def test_an_element_keeps_its_id_whatever_is_cut(world: World) -> None:
    rows = "".join(f"<button style='display: block; height: 30px'>b{n}</button>" for n in range(300))
    ids: dict[str, int] = {}
    observation = show(world, rows)
    for move in (2000, 3000, -4000, 6000, -7000):
        for each in observation.elements:
            assert ids.setdefault(each.name, each.id) == each.id
        observation = act(world, Scroll(0, move))
    assert len(ids) > 150
    assert max(Counter(ids.values()).values()) == 1
    assert not act(world, Click(element=ids["b0"])).error


def test_characters_count_too(world: World) -> None:
    body = "".join(f"<button>{'long name ' * 40}{n}</button>" for n in range(40))
    observation = show(world, body)
    assert len(observation.elements) < 40
    assert cost(observation) <= SMALL.characters + 16 * len(observation.elements)
    assert sum(observation.omitted) == 40 - len(observation.elements)


def test_a_screen_with_more_than_the_budget_says_how_much_it_holds(world: World) -> None:
    body = "".join("<button style='padding: 0; width: 12px; height: 12px'>x</button>" for _ in range(200))
    observation = show(world, body)
    assert observation.omitted == Omitted(above=0, here=140, below=0)
    assert observation.omitted.line == "(140 more on screen)"


def test_what_a_scrolling_box_hides_is_out_of_view(world: World) -> None:
    rows = "".join(f"<li style='height: 20px'><a href='#'>link {n}</a></li>" for n in range(70))
    box = f"<div style='height: 100px; overflow: auto'><ul style='margin: 0'>{rows}</ul></div>"
    buttons = "".join(f"<button style='height: 20px'>b{n}</button>" for n in range(50))
    observation = show(world, box + buttons)
    names = [each.name for each in observation.elements]
    assert [name for name in names if name.startswith("b")] == [f"b{n}" for n in range(50)]
    assert [name for name in names if name.startswith("link")] == [f"link {n}" for n in range(10)]
    assert observation.omitted.below == 60


def test_what_is_fixed_in_the_view_is_kept_wherever_it_stands(world: World) -> None:
    body = big_page(3000) + f"<section><div>{FIXED}</div></section>"
    observation = show(world, body)
    button = find(observation, "button", "Help")
    assert in_view(button)
    assert not act(world, Click(element=button.id)).error


@pytest.mark.parametrize("style", ["html, body { height: 100% }", "body { overflow: hidden scroll; height: 100vh }"])
def test_what_spills_over_its_box_is_found_by_scrolling(world: World, style: str) -> None:
    body = f"<style>{style}</style><main style='height: 100%'>{'<p>text</p>' * 1500}<button>End</button></main>"
    assert show(world, body).omitted.below > 1000
    for _ in range(5):
        observation = act(world, Scroll(0, 16_000))
    assert in_view(find(observation, "button", "End"))
    assert observation.omitted.below == 0
    assert observation.omitted.above > 1000


def test_far_parts_are_told_as_near_ones_are(world: World, all_of_it: World) -> None:
    """Beyond a thousand elements far parts are only skimmed; what is told of them is the same."""
    body = "<p style='height: 3000px'></p>" + big_page(600)
    near, far = show(all_of_it, body), show(all_of_it, body + "<i hidden></i>" * 1000)
    assert [(each.role, each.name, each.value, each.states, each.box) for each in near.elements] == [
        (each.role, each.name, each.value, each.states, each.box) for each in far.elements
    ]


def test_a_page_of_any_depth_is_told() -> None:
    body = """<button>Top</button><script>
        let inner = document.body;
        for (let n = 0; n < 1500; n++) inner = inner.appendChild(document.createElement("div"));
        inner.innerHTML = "<button>Bottom</button>";</script>"""
    with registry.make_world("browser", look=Look(frozenset({"elements", "tree", "text", "marks"}))) as world:
        observation = show(world, body)
    assert [each.name for each in observation.elements] == ["Top"]
    assert observation.text is not None
    assert observation.text.startswith("Top")


def test_a_page_of_ten_thousand_nodes_is_told_within_the_default_budget() -> None:
    with registry.make_world("browser") as world:
        observation = show(world, big_page(10_000))
    assert len(observation.elements) <= Budget().elements
    assert cost(observation) <= Budget().characters + 16 * len(observation.elements)
    assert find(observation, "searchbox", "Search").box.y < HEIGHT
    assert sum(observation.omitted) > 4000


def test_the_tree_holds_what_the_list_does_and_where_it_is(world: World) -> None:
    observation = show(world, big_page(3000))
    assert observation.tree is not None
    assert observation.tree.startswith('navigation "Main"\n  link')
    lines = [line.strip() for line in observation.tree.splitlines()]
    told = [line for line in lines if "[" in line]
    assert len(told) == len(observation.elements)
    assert all(each.label in line for each, line in zip(observation.elements, told, strict=True))
