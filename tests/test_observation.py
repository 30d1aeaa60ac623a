"""Observations: no page can forge a line, and every one lies in its space."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.action import MAX_ELEMENT, MAX_PIXEL, Click
from agentgym.look import PARTS
from agentgym.observation import MAX_NAME, MAX_PROSE, Box, Element, Observation
from agentgym.policy.prompt import page_message
from agentgym.spaces import ActionSpace, UnicodeText, observation_space

COORDINATES = st.integers(-MAX_PIXEL, MAX_PIXEL)
NAMES = st.text(max_size=MAX_NAME)
ELEMENTS = st.builds(
    Element,
    id=st.integers(0, MAX_ELEMENT),
    role=st.sampled_from(["button", "link", "textbox", "text"]),
    name=NAMES | st.text(alphabet='\n\r\u2028"\\[]3 button'),
    value=NAMES | st.just('"\nbutton "ok" [3]'),
    states=st.lists(st.sampled_from(["checked", "focused"]), unique=True).map(tuple),
    box=st.builds(Box, COORDINATES, COORDINATES, COORDINATES, COORDINATES),
)
OBSERVATIONS = st.builds(
    Observation,
    instruction=st.text(max_size=MAX_PROSE),
    elements=st.lists(ELEMENTS, max_size=4).map(tuple),
    url=NAMES,
    title=NAMES,
    error=st.text(max_size=80).map(ascii),
)


@given(ELEMENTS)
def test_a_page_cannot_forge_an_element_line(element: Element) -> None:
    assert "\n" not in element.line
    assert "\r" not in element.line
    name, end = json.JSONDecoder().raw_decode(element.line, len(element.role) + 1)
    assert name == element.name
    assert element.line[end:].startswith(f" [{element.id}]")


@given(OBSERVATIONS)
def test_a_prompt_has_one_line_an_element(observation: Observation) -> None:
    lines = page_message(observation).split("\n")
    screen = lines.index("Screen:") if lines[0] != "Screen:" else 0
    assert lines[screen + 1 :] == [element.line for element in observation.elements]


@given(OBSERVATIONS)
def test_every_observation_lies_in_its_space(observation: Observation) -> None:
    assert observation_space(160, 210).contains(observation.to_gym())


def test_a_screenshot_is_copied() -> None:
    pixels = np.zeros((210, 160, 3), dtype=np.uint8)
    observation = Observation("look", screenshot=pixels)
    plain = observation.to_gym()
    assert observation_space(160, 210, parts=("elements", "screenshot")).contains(plain)
    plain["screenshot"][:] = 1
    assert not pixels.any()


def test_an_element_is_found_by_its_id() -> None:
    element = Element(3, "button", "ok", value="v", states=("focused",))
    observation = Observation("go", (element,))
    assert observation.element(3) is element
    assert observation.element(4) is None
    assert element.label == 'button "ok" [3]'
    assert element.line == 'button "ok" [3] value "v" focused'


def test_spaces_sample_what_they_contain() -> None:
    space = observation_space(160, 210, parts=PARTS)
    space.seed(0)
    assert space.contains(space.sample())


def test_text_of_any_script_is_in_the_text_space() -> None:
    assert "日本語 ✓" in UnicodeText(10)
    assert "x" * 11 not in UnicodeText(10)
    assert 3 not in UnicodeText(10)
    assert repr(UnicodeText(10)) == "UnicodeText(10)"


def test_the_action_space_writes_and_reads_its_samples() -> None:
    space = ActionSpace(160, 210, seed=0)
    samples = [space.sample() for _ in range(20)]
    assert space.from_jsonable(space.to_jsonable(samples)) == samples
    assert all(sample in space for sample in samples)
    assert "click(1)" not in space
    assert space == ActionSpace(160, 210)
    assert space != ActionSpace(161, 210)
    assert not space.is_np_flattenable
    assert not isinstance(Click(element=1), str)


@pytest.mark.parametrize("wrong", [{"mask": 1}, {"probability": 1}])
def test_the_action_space_takes_no_mask(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no mask"):
        ActionSpace(160, 210).sample(**wrong)
