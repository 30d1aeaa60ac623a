"""The forms of each dialect: examples after its vendor's documents and tests, other spellings, and what is refused."""

from __future__ import annotations

import json

import pytest

from agentgym.action import Action, Click, Done, Drag, Fill, Hover, Press, Scroll, Select, Type, Wait
from agentgym.dialects import dialect
from agentgym.errors import ActionError
from tests.dialect_reach import PLAIN

CALL = (
    '{"type": "computer_call", "id": "cu_1", "call_id": "call_1", "status": "completed", "pending_safety_checks": [], '
)
MESSAGE = '{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": '
USE = '{"type": "tool_use", "id": "toolu_1", "name": "computer", "input": '


def qwen(arguments: str, name: str = "computer_use") -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


READ: dict[str, list[tuple[str, Action]]] = {
    "call-text": [("The button is 12.\nclick(12)", Click(element=12))],
    "json-tools": [
        ('{"name": "click", "arguments": {"element": 12}}', Click(element=12)),
        ('{"name": "click", "arguments": {"element": null, "x": 3, "y": 4}}', Click(x=3, y=4)),
        ('{"name": "done", "arguments": {}}', Done()),
        ('{"name": "done", "arguments": "{\\"answer\\": \\"42\\"}"}', Done(answer="42")),
        (
            '{"id": "call_1", "type": "function", "function": {"name": "wait", "arguments": "{\\"ms\\":5}"}}',
            Wait(ms=5),
        ),
        ('{"type": "function_call", "call_id": "c", "name": "wait", "arguments": "{\\"ms\\":5}"}', Wait(ms=5)),
    ],
    "hermes-tools": [
        ('I click.\n<tool_call>\n{"name": "click", "arguments": {"element": 12}}\n</tool_call>', Click(element=12)),
    ],
    "openai-computer": [
        ('{"type": "click", "button": "left", "x": 156, "y": 50}', Click(x=156, y=50)),
        ('{"type": "click", "button": "wheel", "x": 1, "y": 2, "keys": null}', Click(x=1, y=2, button="middle")),
        ('{"type": "double_click", "x": 1, "y": 2, "keys": []}', Click(x=1, y=2, count=2)),
        (CALL + '"action": {"type": "click", "x": 1, "y": 2, "button": "right"}}', Click(x=1, y=2, button="right")),
        (CALL + '"actions": [{"type": "type", "text": "penguin"}]}', Type(text="penguin")),
        (CALL + '"action": null, "actions": [{"type": "wait"}]}', Wait(ms=1000)),
        (
            '{"type": "drag", "path": [{"x": 100, "y": 200}, {"x": 200, "y": 300}]}',
            Drag(x=100, y=200, to_x=200, to_y=300),
        ),
        ('{"type": "keypress", "keys": ["CTRL", "A"]}', Press(keys="Control+a")),
        ('{"type": "keypress", "keys": ["ctrl", "shift", "T"]}', Press(keys="Control+Shift+T")),
        ('{"type": "keypress", "keys": ["ENTER"]}', Press(keys="Enter")),
        ('{"type": "keypress", "keys": ["left"]}', Press(keys="ArrowLeft")),
        ('{"type": "keypress", "keys": ["A"]}', Press(keys="A")),
        ('{"type": "move", "x": 1, "y": 2}', Hover(x=1, y=2)),
        ('{"type": "screenshot"}', Wait(ms=0)),
        ('{"type": "scroll", "x": 1, "y": 2, "scroll_x": 0, "scroll_y": -300}', Scroll(dx=0, dy=-300, x=1, y=2)),
        ('{"type": "wait"}', Wait(ms=1000)),
        (
            MESSAGE + '[{"type": "output_text", "text": "42", "annotations": []}]}',
            Done(answer="42"),
        ),
    ],
    "anthropic-computer": [
        ('{"action": "screenshot"}', Wait(ms=0)),
        ('{"action": "left_click", "coordinate": [500, 300]}', Click(x=500, y=300)),
        ('{"action": "right_click", "coordinate": [5, 3]}', Click(x=5, y=3, button="right")),
        ('{"action": "triple_click", "coordinate": [5, 3]}', Click(x=5, y=3, count=3)),
        ('{"action": "mouse_move", "coordinate": [5, 3]}', Hover(x=5, y=3)),
        ('{"action": "type", "text": "Hello, world!"}', Type(text="Hello, world!")),
        (
            '{"action": "scroll", "coordinate": [500, 400], "scroll_direction": "down", "scroll_amount": 3}',
            Scroll(dx=0, dy=300, x=500, y=400),
        ),
        ('{"action": "scroll", "scroll_direction": "left", "scroll_amount": 1}', Scroll(dx=-100, dy=0)),
        (
            '{"action": "left_click_drag", "start_coordinate": [1, 2], "coordinate": [3, 4]}',
            Drag(x=1, y=2, to_x=3, to_y=4),
        ),
        ('{"action": "key", "text": "ctrl+s"}', Press(keys="Control+s")),
        ('{"action": "key", "text": "alt+Tab"}', Press(keys="Alt+Tab")),
        ('{"action": "key", "text": "Return"}', Press(keys="Enter")),
        ('{"action": "key", "text": "Up"}', Press(keys="ArrowUp")),
        ('{"action": "key", "text": "Page_Down"}', Press(keys="PageDown")),
        ('{"action": "key", "text": "ctrl+plus"}', Press(keys="Control++")),
        ('{"action": "key", "text": "ctrl++"}', Press(keys="Control++")),
        ('{"action": "key", "text": "U20AC"}', Press(keys="€")),
        ('{"action": "wait", "duration": 1.5}', Wait(ms=1500)),
        (USE + '{"action": "double_click", "coordinate": [5, 3]}}', Click(x=5, y=3, count=2)),
        ('{"type": "text", "text": "Done."}', Done(answer="Done.")),
    ],
    "ui-tars": [
        ("Thought: xxx\nAction: click(start_box='(197,525)')", Click(x=197, y=525)),
        ("Thought: test\nAction: click(point='<point>200 300</point>')", Click(x=200, y=300)),
        ("Thought: test\nAction: click(start_box='<|box_start|>(112,224)<|box_end|>')", Click(x=112, y=224)),
        ("Action: click(start_box='[10, 20, 30, 40]')", Click(x=20, y=30)),
        ("Action: left_double(start_box='(1, 2)')", Click(x=1, y=2, count=2)),
        ("Action: right_single(start_box='(1,2)')", Click(x=1, y=2, button="right")),
        (
            "Action: drag(start_point='<point>1 2</point>', end_point='<point>3 4</point>')",
            Drag(x=1, y=2, to_x=3, to_y=4),
        ),
        ("Action: hotkey(key='ctrl c')", Press(keys="Control+c")),
        ("Action: hotkey(key='arrowleft')", Press(keys="ArrowLeft")),
        ("Action: type(content='it\\'s\\n')", Type(text="it's\n")),
        ('Action: type(content="Action: it\'s")', Type(text="Action: it's")),
        ("Action: scroll(start_box='(1,2)', direction='down')", Scroll(dx=0, dy=500, x=1, y=2)),
        ("Action: scroll(direction='left')", Scroll(dx=-500, dy=0)),
        ("Thought: loading\nAction: wait()\n", Wait(ms=5000)),
        ("Action: finished()", Done()),
        ("Action: finished(content='xxx')", Done(answer="xxx")),
        ("Action: call_user()", Done()),
    ],
    "qwen-computer": [
        (qwen('{"action": "left_click", "coordinate": [453, 258]}'), Click(x=453, y=258)),
        (
            "Thought: I click.\nAction: click.\n" + qwen('{"action": "mouse_move", "coordinate": [1, 2]}'),
            Hover(x=1, y=2),
        ),
        (qwen('{"action": "key", "keys": ["ctrl", "c"]}'), Press(keys="Control+c")),
        (qwen('{"action": "scroll", "pixels": -300}'), Scroll(dx=0, dy=300)),
        (qwen('{"action": "hscroll", "pixels": 20, "coordinate": [0, 0]}'), Scroll(dx=20, dy=0, x=0, y=0)),
        (qwen('{"action": "type", "text": "a"}'), Type(text="a")),
        (qwen('{"action": "wait", "time": 2}'), Wait(ms=2000)),
        (qwen('{"action": "terminate", "status": "failure"}'), Done()),
        (qwen('{"action": "answer", "text": "42"}'), Done(answer="42")),
    ],
    "browsergym": [
        ("I think I should\n\nclick('51')", Click(element=51)),
        ("click('22', button=\"right\")", Click(element=22, button="right")),
        ("click('22', \"middle\", [])", Click(element=22, button="middle")),
        ("dblclick('12')", Click(element=12, count=2)),
        ("fill('237', 'example value')", Fill(element=237, text="example value")),
        ("fill('45', \"multi-line\\nexample\")", Fill(element=45, text="multi-line\nexample")),
        ('fill(bid="12", value="example with \\"quotes\\"")', Fill(element=12, text='example with "quotes"')),
        ("fill('1', 'C:\\docs \\1')", Fill(element=1, text="C:\\docs \\1")),
        ("clear('996')", Fill(element=996, text="")),
        ("select_option('48', \"blue\")", Select(element=48, option="blue")),
        ("select_option('48', ['blue'])", Select(element=48, option="blue")),
        ("hover('8')", Hover(element=8)),
        ("keyboard_press('Meta+Shift+t')", Press(keys="Meta+Shift+t")),
        ("keyboard_type('Hello world!')", Type(text="Hello world!")),
        ("drag_and_drop('56', '498')", Drag(element=56, to_element=498)),
        ("scroll(-50.2, -100.5)", Scroll(dx=-50, dy=-100)),
        ("mouse_move(65.2, 158.5)", Hover(x=65, y=158)),
        ("mouse_click(887.2, 68)", Click(x=887, y=68)),
        ("mouse_click(56, 712.56, 'right')", Click(x=56, y=713, button="right")),
        ("mouse_dblclick(5, 236)", Click(x=5, y=236, count=2)),
        ("mouse_drag_and_drop(10.7, 325, 235.6, 24.54)", Drag(x=11, y=325, to_x=236, to_y=25)),
        ("noop()", Wait(ms=1000)),
        ("noop(500)", Wait(ms=500)),
        ("send_msg_to_user('built in 1751.')", Done(answer="built in 1751.")),
        ("report_infeasible('no email field')", Done(answer="no email field")),
    ],
}
REFUSED: dict[str, list[tuple[str, str]]] = {
    "call-text": [("push(1)", "No action")],
    "json-tools": [
        ("click(12)", "not JSON"),
        ("[1]", "Expected a JSON object"),
        ("{}", "name is missing"),
        ('{"name": "push", "arguments": {}}', "No tool"),
        ('{"name": ["click"], "arguments": {}}', "No tool"),
        ('{"name": "click", "arguments": {"element": 1}, "id": "a"}', "unexpected 'id'"),
        ('{"name": "click", "arguments": {"where": 1}}', "unexpected 'where'"),
        ('{"name": "fill", "arguments": {"element": 1}}', "text is missing"),
        ('{"name": "click", "arguments": [1]}', "must be an object"),
        ('{"name": "click", "arguments": "[1]"}', "Expected a JSON object"),
        ('{"name": "click", "arguments": {"element": 1.5}}', "must be an integer"),
        ('{"name": "click", "arguments": {"element": true}}', "must be an integer"),
        ('{"name": "click", "arguments": {"element": NaN}}', "not a number in JSON"),
        ('{"name": "click", "arguments": {"element": 1e999}}', "too large"),
        ('{"name": "click", "arguments": {"element": ' + "9" * 5000 + "}}", "too large"),
        ('{"name": "click", "arguments": {"element": 1, "element": 2}}', "comes twice"),
        ('{"name": "click", "arguments": {"element": ' + "[" * 20 + "]" * 20 + "}}", "nested too deep"),
        ('{"name": "click", "arguments": {"element": ' + "[" * 900 + "]" * 900 + "}}", "nested too deep"),
        ('{"name": "click", "arguments": {"element": ' + "[" * 90_000 + "]" * 90_000 + "}}", "nested too deep"),
        ('{"name": "type", "arguments": {"text": "\\ud800"}}', "surrogate"),
        ('{"type": "other"}', "name is missing"),
        ('{"type": "function", "function": 1}', "must be an object"),
    ],
    "hermes-tools": [
        ('{"name": "click", "arguments": {"element": 12}}', "holds no tool call"),
        ('<tool_call>{"name": "done", "arguments": {}}', "must end with"),
        ('<tool_call>{"name": "done", "arguments": {}}</tool_call> and', "nothing after"),
        ('<tool_call>{"name": "done", "arguments": {}}</tool_call>' * 2, "Expected one tool call"),
    ],
    "openai-computer": [
        ('{"type": "click", "button": "back", "x": 1, "y": 2}', "button must be"),
        ('{"type": "click", "button": "left", "x": 1}', "missing a required argument"),
        ('{"type": "click", "button": "left", "x": 1, "y": 2, "z": 3}', "unexpected"),
        ('{"type": "click", "x": 1, "y": 2, "self": 3}', "unexpected"),
        ('{"type": "click", "button": "left", "x": 1, "y": 2, "keys": ["SHIFT"]}', "no counterpart"),
        ('{"type": "click", "button": "left", "x": -1, "y": 2}', "from 0 to"),
        ('{"type": "click", "button": "left", "x": "1", "y": 2}', "must be a number"),
        ('{"type": "drag", "path": [{"x": 1, "y": 2}]}', "two points"),
        ('{"type": "drag", "path": [{"x": 1, "y": 2}, [3, 4]]}', "must be an object"),
        ('{"type": "keypress", "keys": ["CTRL", "NOKEY"]}', "No key"),
        ('{"type": "keypress", "keys": ["a", "b"]}', "no modifier"),
        ('{"type": "keypress", "keys": []}', "Expected 1 to"),
        ('{"type": "keypress", "keys": "a"}', "must be a list"),
        ('{"type": "zoom"}', "No action of type"),
        ('{"type": "type", "text": 5}', "must be a string"),
        (CALL + '"actions": [{"type": "wait"}, {"type": "wait"}]}', "one action"),
        (CALL + '"action": {"type": "wait"}, "actions": [{"type": "wait"}]}', "one action"),
        (CALL.replace("[]", '[{"id": "a"}]') + '"action": {"type": "wait"}}', "no counterpart"),
        ('{"type": "computer_call"}', "one action"),
        (CALL + '"action": 5}', "must be an object"),
        ('{"type": "message", "content": []}', "one piece"),
        ('{"type": "message", "content": [{"type": "refusal", "text": "no"}]}', "no counterpart"),
    ],
    "anthropic-computer": [
        ('{"action": "left_click"}', "missing a required argument"),
        ('{"action": "left_click", "coordinate": [1, 2, 3]}', "list of two"),
        ('{"action": "left_click", "coordinate": [1, 2], "text": "shift"}', "unexpected"),
        ('{"action": "left_click_drag", "coordinate": [1, 2]}', "missing a required argument"),
        ('{"action": "cursor_position"}', "No action"),
        ('{"action": "hold_key", "text": "a", "duration": 1}', "No action"),
        ('{"action": "key", "text": "ctrl+a Delete"}', "No key"),
        ('{"action": "key", "text": ""}', "No key"),
        ('{"action": "key", "text": "U110000"}', "No key"),
        ('{"action": "scroll", "scroll_direction": "in", "scroll_amount": 1}', "No scroll_direction"),
        ('{"action": "scroll", "scroll_direction": "up", "scroll_amount": -1}', "0 or more"),
        ('{"action": "scroll", "scroll_direction": "up", "scroll_amount": 1000}', "dy must be"),
        ('{"action": "wait", "duration": 60}', "ms must be"),
        ('{"action": "wait", "duration": -1}', "ms must be"),
        ('{"type": "tool_use", "name": "bash", "input": {}}', "no counterpart"),
        ('{"type": "tool_use", "name": "computer", "input": 5}', "must be an object"),
    ],
    "ui-tars": [
        ("click(start_box='(1,2)')", "exactly one line"),
        ("Action: wait()\nAction: wait()", "exactly one line"),
        ("Action: wait()\n\nwait()", "exactly one line"),
        ("Action: click(start_box='(1,2,3)')", "not a point"),
        ("Action: click(start_box=(1,2))", "Expected a string"),
        ("Action: click(start_box='(-1,2)')", "not a point"),
        ("Action: click(start_box='(99999,2)')", "from 0 to"),
        ("Action: click(point='(1,2)', start_box='(1,2)')", "twice"),
        ("Action: click('left', 3, '(1,2)')", "too many"),
        ("Action: click()", "missing a required argument"),
        ("Action: type(content='it's')", "Expected a comma"),
        ("Action: hotkey(key='ctrl+c')", "No key"),
        ("Action: scroll(direction='in')", "No direction"),
        ("Action: press_home()", "No action"),
    ],
    "qwen-computer": [
        ('{"action": "left_click", "coordinate": [1, 2]}', "holds no tool call"),
        (qwen('{"action": "click", "coordinate": [447, 81]}', name="mobile_use"), "no counterpart"),
        (qwen('{"action": "left_click"}'), "missing a required argument"),
        (qwen('{"action": "left_click_drag", "coordinate": [1, 2]}'), "mouse_move"),
        (qwen('{"action": "wait", "time": 1}') * 2, "Expected one call"),
        (qwen('{"action": "key", "keys": "a"}'), "must be a list"),
        (qwen('{"action": "terminate", "status": "maybe"}'), "no counterpart"),
        (qwen("[]"), "must be an object"),
    ],
    "browsergym": [
        ("", "empty"),
        ("click('a51')", "No element"),
        ("click('012')", "No element"),
        ("click('١٢')", "No element"),
        ("click(12)", "must be a string"),
        ("click('1', modifiers=['Shift'])", "no counterpart"),
        ("click('1', button='side')", "button must be"),
        ("click('1', count=3)", "unexpected"),
        ("click('1', '2', [], 3)", "too many"),
        ("click()", "missing a required argument"),
        ("click('1', bid='1')", "multiple values"),
        ("click(bid='1', bid='1')", "twice|not one call"),
        ("click(*['1'])", "Expected one call"),
        ("click(**{})", "Expected one call"),
        ("press('88', 'Backspace')", "keyboard_press"),
        ("goto('http://example.com')", "no counterpart"),
        ("check('55')", "no counterpart"),
        ("select_option('48', ['red', 'green'])", "must be a string"),
        ("mouse_click(True, 1)", "must be a number|Expected"),
        ("mouse_click(1e999, 1)", "too large"),
        ("mouse_click(-1, 1)", "from 0 to"),
        ("noop(99999)", "ms must be"),
        ("click('1'); click('2')", "Expected one call"),
        ("click('1').a", "Expected one call"),
        ("click(" + "[" * 40 + "]" * 40 + ")", "Expected one call"),
        ("mouse_click(" + "-" * 90_000 + "1, 1)", "Expected one call"),
        ("__import__('os')", "No function"),
        ("fill('1', f'{1}')", "Expected a comma"),
        ("fill('1', b'a')", "Expected a comma"),
        ("fill('1', '''a''')", "Expected a comma"),
        ("fill('1', 'a' + 'b')", "Expected one call"),
        ("fill('1', name)", "Expected a string"),
        ("fill('1', print('a'))", "Expected a string"),
        ("mouse_click(1if, 1)", "Expected a comma"),
        ("keyboard_type('\\ud800')", "surrogate"),
    ],
}


@pytest.mark.parametrize(("name", "text", "action"), [(name, *pair) for name, pairs in READ.items() for pair in pairs])
def test_forms_are_read(name: str, text: str, action: Action) -> None:
    assert PLAIN[name].parse(text) == action


@pytest.mark.parametrize(("name", "text", "said"), [(name, *pair) for name, pairs in REFUSED.items() for pair in pairs])
def test_anything_else_is_refused_with_a_reason(name: str, text: str, said: str) -> None:
    with pytest.raises(ActionError, match=said) as refused:
        PLAIN[name].parse(text)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", READ)
def test_json_with_something_around_it_is_refused(name: str) -> None:
    text, _ = READ[name][0]
    if name in {"json-tools", "openai-computer", "anthropic-computer"}:
        for around in ("Sure: {}", "{}.", "```json\n{}\n```", "{0}{0}"):
            with pytest.raises(ActionError, match="not JSON"):
                PLAIN[name].parse(around.format(text))


def test_options_change_what_a_word_stands_for() -> None:
    assert dialect("openai-computer", wait_ms=2000).parse('{"type": "wait"}') == Wait(ms=2000)
    scroll = '{"action": "scroll", "scroll_direction": "down", "scroll_amount": 2}'
    assert dialect("anthropic-computer", pixels_per_click=53).parse(scroll) == Scroll(dx=0, dy=106)
    tars = dialect("ui-tars", viewport=(1280, 800), scale=1000, scroll_pixels=40)
    assert tars.format(Scroll(dx=0, dy=-40)) == "Action: scroll(direction='up')"


def test_written_forms_are_those_of_the_vendors() -> None:
    qwen3 = dialect("qwen-computer", viewport=(1280, 800))
    assert qwen3.format(Click(x=1279, y=0)) == qwen('{"action": "left_click", "coordinate": [1000, 0]}')
    tars = dialect("ui-tars", viewport=(1280, 800), scale=(1288, 812))
    assert tars.format(Type(text="it's\n")) == 'Action: type(content="it\'s\\n")'
    assert PLAIN["browsergym"].format(Fill(element=1, text="a\nb")) == "fill('1', 'a\\nb')"
    assert json.loads(PLAIN["anthropic-computer"].format(Press(keys="Control+Shift+PageUp"))) == {
        "action": "key",
        "text": "ctrl+shift+Page_Up",
    }
