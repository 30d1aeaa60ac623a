"""OSWorld's scripts for mouse and keyboard: read as actions, and never run."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.action import Click, Press, Scroll, Type
from agentgym_desktop.osworld.scripts import UnreadableScriptError, moves_of


def test_scripts_for_mouse_and_keyboard_become_actions() -> None:
    text = """import pyautogui; import time; time.sleep(1); time.sleep(2)
pyautogui.click({SCREEN_WIDTH_HALF}, {SCREEN_HEIGHT_HALF}); pyautogui.doubleClick(x=3, y=5000)
pyautogui.hotkey(["shift", "ctrl", "e"]); pyautogui.hotkey('ctrl', 'alt', 't'); pyautogui.press(["enter"])
pyautogui.press('down', presses=2, interval=0.1); pyautogui.write('ü "x"'); pyautogui.scroll(-2)"""
    assert moves_of(text, (1000, 600)) == [
        "rest",
        Click(x=500, y=300),
        Click(x=3, y=599, count=2),
        Press("Shift+Control+e"),
        "terminal",
        Press("Enter"),
        Press("ArrowDown"),
        Press("ArrowDown"),
        Type('ü "x"'),
        Scroll(0, 100),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import pyautogui, os",
        "from pyautogui import press",
        "import pyautogui as p",
        "pyautogui.press(input())",
        "pyautogui.press('a' * 10**9)",
        "pyautogui.press('a', presses=10**9)",
        "pyautogui.write(__import__('os').getcwd())",
        "os.system('x')",
        "pyautogui.click()",
        "pyautogui.hotkey('a', 'b')",
        "pyautogui.hotkey()",
        "pyautogui.keyDown('a')",
        "x = 1",
        "(",
        "(" * 5_000,
        "a" * 30_000,
    ],
)
def test_any_other_script_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(UnreadableScriptError):
        moves_of(text, (1000, 600))


@given(st.text(max_size=60) | st.text("pyautogi.rest(hk'1,)=[]", max_size=60).map("pyautogui.".__add__))
def test_no_script_makes_its_reader_raise_anything_else(text: str) -> None:
    with contextlib.suppress(UnreadableScriptError):
        moves_of(text, (1000, 600))
