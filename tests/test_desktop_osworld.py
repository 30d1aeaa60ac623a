"""Tasks in OSWorld's format on the real desktop: the right end state scores 1, the untouched one 0."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from agentgym import Done, Press, Type
from agentgym.env import AgentEnv
from agentgym_desktop.world import DesktopWorld
from tests.osworld_tasks import (
    OPEN_TERMINAL,
    book,
    cloud_file,
    download,
    letter,
    loaded,
    output,
    play,
    rule,
    saved,
    script,
    step,
    task,
    vm_file,
)

if TYPE_CHECKING:
    from pathlib import Path

    from agentgym.action import Action
    from agentgym.episode import Score
    from tests.osworld_tasks import Played

TERMINAL = (script(OPEN_TERMINAL), step("activate_window", window_name="Terminal"))


def value(score: Score | None) -> float | None:
    assert score is not None
    return score.value


def values(played: Played) -> tuple[float | None, float | None]:
    return value(played.untouched), value(played.after)


def test_a_text_is_edited_in_the_text_editor(tmp_path: Path) -> None:
    spec = task(
        download("list.txt", "/home/user/Desktop/list.txt"),
        step("open", path="/home/user/Desktop/list.txt"),
        func="compare_text_file",
        result=vm_file("/home/user/Desktop/list.txt"),
        expected=cloud_file("list_gold.txt"),
        options={"ignore_blanks": True},
    )
    files = {"list.txt": b"milk\n", "list_gold.txt": b"tea milk"}
    assert values(play(loaded(tmp_path, spec, files), Type("tea\n"), Press("Control+s"))) == (0, 1)


def test_settings_are_judged_by_rules(tmp_path: Path) -> None:
    spec = task(
        step("command", command=["mkdir", "-p", "/home/user/.config/thing"]),
        download("settings.json", "~/.config/thing/settings.json"),
        step("launch", command="gedit /home/user/.config/thing/settings.json"),
        func=["check_json", "file_contains"],
        conj="and",
        result=[vm_file("/home/user/.config/thing/settings.json")] * 2,
        expected=[rule(expect=[{"key": ["size", 0], "method": "ge", "ref": 4}]), rule(expected=["size"])],
    )
    actions = (Press("Control+a"), Type('{"size": [4]}'), Press("Control+s"))
    assert values(play(loaded(tmp_path, spec, {"settings.json": b'{"size": [3]}'}), *actions)) == (0, 1)


def test_files_are_copied_in_the_file_manager(tmp_path: Path) -> None:
    spec = task(
        step("execute", command="mkdir -p ~/Desktop/photos && mkdir -p ~/Desktop/cpjpg", shell=True),
        download("a.jpg", "/home/user/Desktop/photos/a.jpg"),
        download("b.jpg", "/home/user/Desktop/photos/b.jpg"),
        step("launch", command=["nautilus", "/home/user/Desktop/photos"]),
        func="check_moved_jpgs",
        result={"type": "list_directory", "path": "/home/user/Desktop/cpjpg"},
        expected=rule(expected=["b.jpg", "a.jpg"]),
    )
    there = (Press("Control+l"), Type("/home/user/Desktop/cpjpg\n"))
    actions = (Press("Control+a"), Press("Control+c"), *there, Press("Control+v"))
    assert values(play(loaded(tmp_path, spec, {"a.jpg": b"a", "b.jpg": b"b"}), *actions)) == (0, 1)


def test_a_terminal_is_judged_by_what_commands_say_and_what_it_shows(tmp_path: Path) -> None:
    spec = task(
        *TERMINAL,
        func=["check_include_exclude", "check_include_exclude", "exact_match", "check_include_exclude"],
        result=[
            output("ls ~/Desktop"),
            {"type": "vm_terminal_output"},
            {"type": "vm_screen_size"},
            {"type": "vm_command_error", "command": ["ls", "/nowhere"]},
        ],
        expected=[
            rule(include=["proof"]),
            rule(include=["forty-42"], exclude=["not found"]),
            rule(expected={"width": 1920, "height": 1080}),
            rule(include=["No such file"]),
        ],
    )
    assert values(play(loaded(tmp_path, spec), Type("mkdir Desktop/proof; echo forty-$((6*7))\n"))) == (0, 1)


def test_a_shell_keeps_its_history_when_the_judge_ends_its_terminal(tmp_path: Path) -> None:
    opened = "export DBUS_SESSION_BUS_ADDRESS='unix:path=/run/user/1000/bus'\ngnome-terminal --working-directory=/tmp"
    spec = task(
        step("execute", command=opened, shell=True),
        postconfig=[step("execute", command=["/bin/bash", "-c", "killall gnome-terminal-server"])],
        func="check_include_exclude",
        result=output("cat ~/.bash_history"),
        expected=rule(include=["pwd > ~/where", "cat ~/where"], exclude=["gone"]),
    )
    desktop_task = loaded(tmp_path, spec)
    world = DesktopWorld(standby=0)
    with AgentEnv(world, desktop_task) as env:
        env.reset(seed=0)
        env.step(Type("pwd > ~/where; cat ~/where\n"))
        assert env.step(Done())[1] == 1.0


def test_a_script_that_the_judge_brings_along_decides(tmp_path: Path) -> None:
    spec = task(
        apps=["os"],
        postconfig=[download("eval.sh", "eval.sh"), step("execute", command="chmod +x eval.sh", shell=True)],
        func="check_include_exclude",
        result=output("bash eval.sh"),
        expected=rule(include=["Success"], exclude=[]),
    )
    files = {"eval.sh": b'#!/bin/sh\n[ "$(cat output.txt)" = done ] && echo Success\n'}
    assert values(play(loaded(tmp_path, spec, files), Type("echo done > output.txt\n"))) == (0, 1)


def test_an_agent_that_keeps_the_judge_from_bringing_its_script_gets_nothing(tmp_path: Path) -> None:
    spec = task(
        apps=["os"],
        postconfig=[download("eval.sh", "eval.sh")],
        func="check_include_exclude",
        result=output("bash eval.sh"),
        expected=rule(include=["Success"]),
    )
    forged = Type("echo 'echo Success' > forged; rm eval.sh; ln -s forged eval.sh\n")
    played = play(loaded(tmp_path, spec, {"eval.sh": b"echo Failure\n"}), forged)
    assert values(played) == (0, 0)
    assert played.after is not None
    assert "/home/user/eval.sh cannot be written for the judge" in played.after.reason


def test_files_are_packed_on_the_command_line(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.txt", b"1\n")
    spec = task(
        step("upload_file", files=[{"local_path": "evaluation/one.txt", "path": "/home/user/Desktop/one.txt"}]),
        step("execute", command=["test", "-s", "/home/user/Desktop/one.txt"], until={"returncode": 0}),
        apps=["terminal"],
        postconfig=[step("execute", command=["ls", "/home/user/Desktop"], stdout="after.txt")],
        func=["compare_zip_files", "check_list"],
        result=[vm_file("/home/user/Desktop/all.zip"), {"type": "cache_file", "path": "after.txt"}],
        expected=[cloud_file("gold.zip"), rule(expect=[r"^all\.zip$"], unexpect=["^one"])],
    )
    files = {"one.txt": b"1\n", "gold.zip": packed.getvalue()}
    assert values(play(loaded(tmp_path, spec, files), Type("cd Desktop; zip -m all.zip one.txt\n"))) == (0, 1)


def test_a_sheet_is_filled_and_judged_by_its_values_and_by_what_it_shows(tmp_path: Path) -> None:
    path = "/home/user/Sales.xlsx"
    convert = "csv:Text - txt - csv (StarCalc):44,34,UTF-8,,,,false,true,true,false,false,-1"
    shown = ["libreoffice", "--convert-to", convert, "--outdir", "/home/user", path]
    csv = {"path": [path, "/home/user/Sales-Sheet1.csv"], "dest": ["Sales.xlsx", "Sales-Sheet1.csv"], "multi": True}
    gold = {**cloud_file("gold.xlsx"), "multi": True}
    gold["path"], gold["dest"] = [gold["path"], gold["path"][:-5] + ".csv"], ["gold.xlsx", "gold-Sheet1.csv"]
    rules: list[dict[str, Any]] = [
        {"type": "sheet_data", "sheet_idx0": 0, "sheet_idx1": "EI0"},
        {"type": "check_cell", "sheet_idx": "RNSheet1", "coordinate": "B4",
         "props": {"value": {"method": "approx:0.001", "ref": 5.5}}},
        {"type": "sheet_print", "sheet_idx0": "RNSheet1", "sheet_idx1": "ENSheet1"},
    ]  # fmt: skip
    spec = task(
        download("Sales.xlsx", path),
        step("open", path=path),
        apps=["libreoffice_calc"],
        postconfig=[*saved("Sales.xlsx - LibreOffice Calc"), step("execute", command=shown)],
        func="compare_table",
        result={"type": "vm_file", **csv},
        expected=gold,
        options={"rules": rules},
    )
    rows = ["Item", "Price"], ["tea", 3.5], ["milk", 2]
    files = {
        "Sales.xlsx": book(*rows),
        "gold.xlsx": book(*rows, ["total", 5.50001]),
        "gold.csv": b"Item,Price\ntea,3.5\nmilk,2\ntotal,5.5\n",
    }
    below = (Press("Control+End"), Press("ArrowDown"), Press("Home"))
    assert values(play(loaded(tmp_path, spec, files), *below, Type("total\t=SUM(B2:B3)\n"))) == (0, 1)


def test_a_letter_is_written_and_judged_by_its_text_and_its_looks(tmp_path: Path) -> None:
    path = "/home/user/Desktop/Letter.docx"
    spec = task(
        download("Letter.docx", path),
        step("open", path=path),
        apps=["libreoffice_writer"],
        postconfig=saved("Letter.docx - LibreOffice Writer"),
        func=["compare_docx_files", "is_first_line_centered"],
        result=[vm_file(path)] * 2,
        expected=[cloud_file("gold.docx"), None],
    )
    files = {"Letter.docx": letter("Dear Ann,", "see you."), "gold.docx": letter("Hello! Dear Ann,", "see you.")}
    actions: tuple[Action, ...] = (Press("Control+Home"), Type("Hello! "), Press("Control+e"))
    assert values(play(loaded(tmp_path, spec, files), *actions)) == (0, 1)


def test_a_bookmark_is_set_in_the_browser_and_judged_by_its_profile(tmp_path: Path) -> None:
    browser = step("launch", command=["google-chrome", "--remote-debugging-port=1337", "file:///home/user/page.html"])
    settings = '{"enable_do_not_track": true, "webkit": {"webprefs": {"default_font_size": 20}}}'
    spec = task(
        step("execute", command="mkdir -p ~/.config/google-chrome/Default", shell=True),
        step("execute", command=f"echo '{settings}' > ~/.config/google-chrome/Default/Preferences", shell=True),
        download("page.html", "/home/user/page.html"),
        browser,
        step("launch", command=["socat", "tcp-listen:9222,fork", "tcp:localhost:1337"]),
        apps=["chrome"],
        postconfig=[
            step("close_window", window_name="Page - Chromium", strict=True),
            step("launch", command=["pkill", "chrome"]),
            step("sleep", seconds=3),
        ],
        func=["is_expected_bookmarks", "exact_match", "check_font_size", "match_in_list", "exact_match"],
        result=[
            {"type": kind}
            for kind in (
                "bookmarks",
                "enable_do_not_track",
                "chrome_font_size",
                "default_search_engine",
                "data_delete_automacally",
            )
        ],
        expected=[
            rule(type="bookmark_bar_websites_urls", urls=["file:///home/user/page.html"]),
            rule(expected="true"),
            rule(type="range", min=19, max=21),
            rule(expected=["Google", "DuckDuckGo"]),
            rule(expected="false"),
        ],
    )
    desktop_task = loaded(tmp_path, spec, {"page.html": b"<title>Page</title><p>Here"})
    with AgentEnv(DesktopWorld(standby=0), desktop_task) as env:
        env.reset(seed=0)
        for keys in ("Control+d", "Tab", "ArrowUp", "Enter"):  # the folder above the one that is proposed
            env.step(Press(keys))
        assert env.step(Done())[1] == 1.0


@pytest.mark.parametrize(
    ("func", "answer", "reward"),
    [("infeasible", "FAIL", 1.0), ("infeasible", "", 0.0), ("check_include_exclude", "FAIL", 0.0)],
)
def test_that_a_task_cannot_be_done_is_right_only_where_it_cannot(
    tmp_path: Path, func: str, answer: str, reward: float
) -> None:
    spec = task(apps=["os"], func=func, result=output("echo Success"), expected=rule(include=["Success"]))
    with AgentEnv(DesktopWorld(standby=0), loaded(tmp_path, spec)) as env:
        observation, _ = env.reset(seed=0)
        assert 'say done("FAIL")' in observation["instruction"]
        assert env.step(Done(answer))[1:3] == (reward, True)


def test_what_a_broken_file_of_the_tasks_own_is_compared_with_is_not_judged(tmp_path: Path) -> None:
    spec = task(
        func="compare_table",
        result=cloud_file("good.xlsx"),
        expected=cloud_file("bad.xlsx"),
        options={"rules": [{"type": "sheet_name"}]},
    )
    score = play(loaded(tmp_path, spec, {"good.xlsx": book(["a"]), "bad.xlsx": b"PK no"})).untouched
    assert score is not None
    assert score.value is None
    assert "bad.xlsx cannot be read" in score.reason
