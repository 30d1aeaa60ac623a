"""The parts of an observation on real pages: the tree, the text, pictures at any size, and what is not asked for."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

import agentgym
from agentgym import registry
from agentgym.action import Click, Scroll
from agentgym.env import AgentEnv
from agentgym.errors import ConfigError, UnknownNameError
from agentgym.look import PARTS, Budget, Look
from agentgym.marks import draw_marks, place_marks
from agentgym.observation import MAX_TEXT, MAX_TREE
from agentgym.task import Instance
from tests.browser_page import PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.world import World

PAGE = """<nav aria-label="Main"><ul><li><a href="#">Home</a></li><li><a href="#">Help</a></li></ul></nav>
<main><h2>Order</h2><form aria-label="Order"><label>Name <input value="Ann"></label>
<button disabled>Send</button></form><p>Thank <b>you</b>.</p></main>"""
SHADOW = """<script>h.attachShadow({mode: "open"}).innerHTML = "<b>shade</b> <slot></slot>"</script>"""
TREE = """\
navigation "Main"
  list
    listitem
      link "Home" [1]
    listitem
      link "Help" [2]
main
  heading "Order" [3] level 2
  form "Order"
    textbox "Name" [4] value "Ann"
    button "Send" [5] disabled
  paragraph
    text "Thank ." [6]
    text "you" [7]"""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser", look=Look(frozenset(PARTS))) as world:
        yield world


def test_the_tree_nests_what_the_list_has_under_the_same_ids(world: World) -> None:
    observation = open_page(world, PageTask(PAGE))
    assert observation.tree == TREE
    for element in observation.elements:
        assert f"{element.label}" in observation.tree


def test_a_page_cannot_forge_a_line_of_the_tree(world: World) -> None:
    name = 'x" [1]\n\u2028button "ok" [9]'
    body = f"<nav aria-label='{name}'><button aria-label='{name}'>b</button></nav>"
    tree = open_page(world, PageTask(body)).tree
    assert tree is not None
    lines = tree.splitlines()
    assert [line.split()[0] for line in lines] == ["navigation", "button"]
    assert all('\\"' in line for line in lines)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<h1>Title</h1><p>One <b>two</b>\n   three.</p><p>Four</p>", "Title\n\nOne two three.\n\nFour"),
        ("<p>Seen</p><p style='display: none'>no</p><p style='visibility: hidden'>no</p><script>no</script>", "Seen"),
        ("<p style='text-transform: uppercase'>loud</p>", "LOUD"),
        ("<table><tr><td>a<td>b<tr><td>c<td>d</table>", "a\tb\nc\td"),
        ("line<br>break", "line\nbreak"),
        ("<div id=h>light</div><p>after</p>" + SHADOW, "shade\nlight\nafter"),
    ],
)  # fmt: skip
def test_the_text_is_what_can_be_read_in_order(world: World, body: str, text: str) -> None:
    assert open_page(world, PageTask(body)).text == text


def test_what_is_hidden_from_the_agent_is_in_no_part(world: World) -> None:
    class Hiding(PageTask):
        hidden = "#score"

    observation = open_page(world, Hiding("<main>Play <b id=score>secret</b> on</main><p>Bye</p>"))
    assert observation.text is not None
    assert re.sub(r"\s+", " ", observation.text) == "Play on Bye"
    assert "secret" not in f"{observation.tree} {observation.elements}"


def test_tree_and_text_are_bounded_and_say_so(world: World) -> None:
    words = "lorem ipsum dolor " * 30
    body = f"<ul>{f'<li><p>{words}</p></li>' * 400}</ul>"
    look = Look(frozenset({"tree", "text"}), Budget(2000, 10_000_000))
    with registry.make_world("browser", look=look) as greedy:
        observation = open_page(greedy, PageTask(body))
    assert observation.tree is not None
    assert observation.text is not None
    assert len(observation.tree) <= MAX_TREE
    assert len(observation.text) <= MAX_TEXT
    assert re.search(r"\n\(\d+ more lines\)$", observation.tree)
    assert re.search(r"\n\(\d+ more characters\)$", observation.text)
    assert observation.elements == ()


def test_marks_are_on_what_can_be_acted_on_and_seen(world: World) -> None:
    body = """<style>button { position: fixed; width: 60px; height: 30px; left: 20px }</style>
        <p>text</p><button style="top: 60px">seen</button><button style="top: 900px">below</button>
        <div style="position: fixed; left: 200px; top: 60px; height: 40px; width: 90px; overflow: auto">
          <a href="#" style="display: block; height: 300px">long</a><a href="#" id="far">scrolled away</a></div>
        <button style="top: 150px">covered</button>
        <div style="position: fixed; left: 0; top: 140px; width: 150px; height: 60px; background: white">cover</div>"""
    observation = open_page(world, PageTask(body))
    assert observation.screenshot is not None
    assert observation.marks is not None
    expected = [find(observation, "button", "seen"), find(observation, "link", "long")]
    assert (observation.marks == draw_marks(observation.screenshot, expected)).all()
    (mark, _) = place_marks(expected, width=400, height=300)
    assert (observation.marks[60, 20:80] == mark.colour).all()


def test_pictures_have_the_viewports_size_pixel_for_pixel(world: World) -> None:
    body = "<div style='position: fixed; left: 1000px; top: 600px; width: 50px; height: 40px; background: #f00'></div>"
    observation = open_page(world, PageTask(body).on_screen((1280, 720)))
    for picture in (observation.screenshot, observation.marks):
        assert picture is not None
        assert picture.shape == (720, 1280, 3)
    assert observation.screenshot is not None
    red = (observation.screenshot == (255, 0, 0)).all(axis=2)
    assert red.sum() == 50 * 40
    assert red[600:640, 1000:1050].all()


def test_gymnasiums_checker_passes_with_every_part_at_another_size() -> None:
    task = PageTask(PAGE).on_screen((640, 400))
    with AgentEnv(registry.make_world("browser", look=Look(frozenset(PARTS))), task, parts=PARTS) as env:
        env.spec = EnvSpec(task.id, nondeterministic=False)
        check_env(env, skip_render_check=True, skip_close_check=True)
        observation, _ = env.reset(seed=1)
        assert set(observation) == {*PARTS, "instruction", "url", "title", "error", "omitted"}
        assert observation["marks"].shape == (400, 640, 3)


def test_many_environments_show_the_same_parts() -> None:
    vector = agentgym.make_vec("miniwob/click-tab", num_envs=2, parts=("tree", "text"), viewport=(200, 220))
    with closing(vector) as envs:
        observation, _ = envs.reset(seed=0)
        assert envs.observation_space.contains(observation)
        assert set(observation) == {"tree", "text", "instruction", "url", "title", "error"}
        assert all('  tab "Tab #1" [' in tree for tree in observation["tree"])


def test_a_wider_screen_does_not_show_what_miniwob_says_of_rewards() -> None:
    with agentgym.make("miniwob/click-button", parts=("screenshot",), viewport=(640, 300)) as env:
        observation, _ = env.reset(seed=0)
        colours = np.unique(observation["screenshot"][:, 170:].reshape(-1, 3), axis=0)
        assert len(colours) <= 2  # its ground and an empty panel, no letters


def test_a_part_that_was_not_asked_for_is_not_there() -> None:
    with agentgym.make("miniwob/click-button", parts=("screenshot",)) as env:
        observation, _ = env.reset(seed=0)
        assert set(observation) == {"screenshot", "instruction", "url", "title", "error"}
        assert env.observation.elements == ()
        seen = env.observation
        assert (seen.tree, seen.text, seen.marks) == (None, None, None)


def test_the_screenshot_that_is_rendered_is_none_of_the_parts() -> None:
    with agentgym.make("miniwob/click-button", parts=("marks",), render_mode="rgb_array") as env:
        observation, _ = env.reset(seed=0)
        frame = env.render()
        assert "screenshot" not in observation
        assert frame is not None
        assert (np.asarray(frame) != observation["marks"]).any()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"parts": ("elements", "tre")}, UnknownNameError, "Did you mean 'tree'"),
        ({"viewport": (0, 100)}, ConfigError, "each from 16 to 4096, got"),
        ({"viewport": (100, 5000)}, ConfigError, "each from 16 to 4096, got"),
        ({"viewport": (100.5, 100)}, ConfigError, "each from 16 to 4096, got"),
        ({"viewport": 100}, ConfigError, "each from 16 to 4096, got 100"),
        ({"budget": Budget(elements=0)}, ConfigError, "at least 1 character, got"),
        ({"budget": Budget(elements=99_999)}, ConfigError, "1 to 2000 elements"),
        ({"budget": Budget(characters=0)}, ConfigError, "at least 1 character, got"),
    ],
)
def test_what_cannot_be_shown_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        agentgym.make("miniwob/click-button", **options)
    with pytest.raises(error, match=re.escape(message)):
        agentgym.make_vec("miniwob/click-button", **options)


def test_a_task_may_forbid_another_viewport() -> None:
    class Fixed(PageTask):
        any_viewport = False

    with pytest.raises(ConfigError, match=r"test/page is shown at \(400, 300\) only"):
        Fixed("x").on_screen((500, 300))
    assert Fixed("x").on_screen((400, 300)).viewport == (400, 300)


@pytest.mark.usefixtures("toy_plugin")
def test_a_world_that_shows_less_says_so() -> None:
    with pytest.raises(ConfigError, match="World 'toy' has no marks, tree to show; its parts are elements, screenshot"):
        registry.make_world("toy", look=Look(frozenset({"marks", "tree"})))


def test_the_parts_follow_the_page(world: World) -> None:
    task = PageTask("<button onclick='this.textContent = `after`'>before</button>")
    first = open_page(world, task)
    second = act(world, Click(element=first.elements[0].id))
    assert 'button "after" [1] focused' in str(second.tree)
    assert second.text == "after"


def test_what_a_shadow_root_does_not_show_is_not_told(world: World) -> None:
    roots = """<script>a.attachShadow({mode: "open"}).innerHTML = "<b>shade</b>";
        b.attachShadow({mode: "open"}).innerHTML = "<slot>instead</slot>";</script>"""
    observation = open_page(world, PageTask(f"<p id=a>never</p><p id=b><b>light</b></p>{roots}"))
    assert [each.name for each in observation.elements] == ["shade", "light"]


class TestIds:
    """Ids within an episode: one element has one, for good, and no other ever has it."""

    LIST = """<script>
        const names = ["a", "b", "c"];
        const button = (name) => Object.assign(document.createElement("button"), {textContent: name});
        const render = (keep) => {
          if (!keep) list.replaceChildren(...names.map(button));
          else list.append(...[...list.children].reverse());
        };
      </script><div id=list></div><script>render(false)</script>"""

    def test_what_is_moved_keeps_its_id(self, world: World) -> None:
        first = open_page(world, PageTask(self.LIST + "<p onclick='render(true)'>turn</p>"))
        second = act(world, Click(element=find(first, "clickable", "turn").id))
        assert [each.name for each in second.elements] == ["c", "b", "a", "turn"]
        assert {each.name: each.id for each in second.elements} == {each.name: each.id for each in first.elements}

    def test_what_is_drawn_anew_has_a_new_id_and_the_old_one_is_gone(self, world: World) -> None:
        first = open_page(world, PageTask(self.LIST + "<p onclick='render(false)'>turn</p>"))
        turn = find(first, "clickable", "turn").id
        used = {each.id for each in first.elements} - {turn}
        for _ in range(3):
            seen = act(world, Click(element=turn))
            new = {each.id for each in seen.elements} - {turn}
            assert not new & used
            used |= new
        assert "is not on screen" in act(world, Click(element=find(first, "button", "a").id)).error

    def test_what_comes_back_after_it_was_away_has_its_id_again(self, world: World) -> None:
        body = """<button id=a>a</button><p onclick="window.kept = document.getElementById('a'); kept.remove()">out</p>
            <p onclick="document.body.prepend(kept)">in</p>"""
        first = open_page(world, PageTask(body))
        away = act(world, Click(element=find(first, "clickable", "out").id))
        assert "a" not in [each.name for each in away.elements]
        back = act(world, Click(element=find(first, "clickable", "in").id))
        assert find(back, "button", "a").id == find(first, "button", "a").id

    def test_the_next_page_of_an_episode_uses_no_id_again(self, world: World) -> None:
        first = open_page(world, PageTask('<a href="/?next">go</a><p>text</p>'))
        second = act(world, Click(element=find(first, "link").id))
        assert second.url.endswith("/?next")
        assert not {each.id for each in second.elements} & {each.id for each in first.elements}
        assert "is not on screen" in act(world, Click(element=find(first, "link").id)).error

    def test_the_next_episode_counts_from_the_start(self, world: World) -> None:
        task = PageTask("<button>a</button>", reusable=True)
        first = open_page(world, task)
        act(world, Scroll(0, 10))
        again = world.reset({0: Instance(task, 0)})[0]
        assert isinstance(again, agentgym.Observation)
        assert [each.id for each in again.elements] == [each.id for each in first.elements] == [1]
