"""Task files in OSWorld's format: what is wrong is told by file and key, what cannot be played with its reason."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.errors import ConfigError
from agentgym_desktop import osworld
from agentgym_desktop.osworld.downloads import Downloads
from agentgym_desktop.osworld.paths import inside
from agentgym_desktop.osworld.schema import parse
from agentgym_desktop.osworld.support import problems_of
from tests.osworld_tasks import HOST, cloud_file, download, output, rule, script, step, task, vm_file

GOOD = task(
    download("a.txt", "/home/user/a.txt"),
    step("open", path="/home/user/a.txt"),
    func=["compare_text_file", "exact_match"],
    conj="or",
    result=[vm_file("/home/user/a.txt"), output("cat a.txt")],
    expected=[cloud_file("gold.txt"), rule(expected="a")],
    options=[None, {}],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(
    ["download", "open", "launch", "execute", "command", "sleep", "activate_window", "chrome_open_tabs", "vm_file",
     "cloud_file", "rule", "vm_command_line", "cache_file", "list_directory", "content_from_vm_file", "login"]
)  # fmt: skip
FUNCS = st.sampled_from(
    ["compare_table", "check_json", "check_list", "exact_match", "check_pdf_pages", "nothing", "infeasible"]
)


def said(spec: object, name: str = "tasks/abc.json") -> str:
    content = spec if isinstance(spec, bytes) else json.dumps(spec).encode()
    with pytest.raises(ConfigError) as error:
        parse(content, name)
    return str(error.value)


def changed(*keys: str | int, value: object = ...) -> dict[str, Any]:
    """A good task with another value at a key, or without it."""
    spec = copy.deepcopy(GOOD)
    place: Any = spec
    for key in keys[:-1]:
        place = place[key]
    if value is ...:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return spec


def kinds(spec: dict[str, Any], downloads: Downloads | None = None) -> set[tuple[str, str]]:
    return set(problems_of(parse(json.dumps(spec).encode(), "a.json"), downloads or Downloads(None)))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (changed("evaluator", "func"), "tasks/abc.json: evaluator.func: Field required"),
        (changed("config", 0, "parameters", "files", 0, "url"),
         "tasks/abc.json: config.0.parameters.files.0.url: Field"),
        (changed("config", 1, "parameters", "path", value=3),
         "tasks/abc.json: config.1.parameters.path: Input should be"),
        (changed("config", value={}), "tasks/abc.json: config: Input should be a valid list"),
        (changed("evaluator", "conj", value="xor"), "tasks/abc.json: evaluator.conj: Input should be 'and' or 'or'"),
        (changed("evaluator", "result", 0, "dest"), "tasks/abc.json: evaluator.result.0.dest: Field required"),
        (changed("evaluator", "result", value=[None]),
         "tasks/abc.json: evaluator: `result` has 1 entries, but `func` has 2"),
        (changed("evaluator", "options", value=[{}]), "tasks/abc.json: evaluator: `options` has 1 entries"),
        (changed("evaluator", "func", value="exact_match"), "tasks/abc.json: evaluator: `result` has a list"),
        (changed("evaluator", "postconfig", value=[{"type": "sleep", "parameters": {"seconds": -1}}]),
         "tasks/abc.json: evaluator.postconfig.0.parameters.seconds: Input should be greater than or equal to 0"),
        (changed("id", value="../x"), "tasks/abc.json: id: String should match pattern"),
        (changed("instruction", value="a\0b"), "tasks/abc.json: instruction: the text 'a\\x00b' has characters"),
        (b'{"id": "a",}', "tasks/abc.json: line 1, column 12: no JSON"),
        (b"[1]", "tasks/abc.json: a task is an object, got a list"),
        (b"\xff\xfe\xfa", "tasks/abc.json: no JSON that can be read"),
        (b"[" * 100_000, "tasks/abc.json: no JSON that can be read"),
        (b"[" * 500 + b"1" + b"]" * 500, "tasks/abc.json: 0.0.0.0...: nested more than 100 deep"),
        (b"9" * 10_000, "tasks/abc.json: no JSON that can be read"),
        (b" " * 4_000_001, "tasks/abc.json: it has 4,000,001 bytes, more than the 4,000,000 that are read"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_task_is_told_by_its_path_and_key(spec: object, message: str) -> None:
    assert said(spec).startswith(message)


@given(JSON)
def test_no_json_makes_the_reader_raise_anything_else(value: object) -> None:
    for content in (json.dumps(value).encode(), json.dumps({**GOOD, "evaluator": value}).encode()):
        try:
            parse(content, "a.json")
        except ConfigError as error:
            assert str(error).startswith("a.json: ")  # noqa: PT017 (that it is raised is not the claim)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise_anything_else(content: bytes) -> None:
    with contextlib.suppress(ConfigError):
        parse(content, "a.json")


PART = st.fixed_dictionaries(
    {"type": KINDS},
    optional={
        "parameters": st.fixed_dictionaries(
            {},
            optional={
                "path": st.text(min_size=1, max_size=12),
                "command": st.text(min_size=1, max_size=20) | st.lists(st.text(max_size=9), min_size=1, max_size=3),
                "shell": st.booleans(),
                "window_name": st.text(min_size=1, max_size=5),
                "seconds": st.floats(0, 9),
                "urls_to_open": st.lists(st.text(max_size=9), max_size=2),
                "files": st.lists(
                    st.fixed_dictionaries(
                        {"url": st.text(min_size=1, max_size=20), "path": st.text(min_size=1, max_size=9)}
                    ),
                    max_size=2,
                ),
            },
        ),
        "path": st.text(max_size=9),
        "dest": st.text(max_size=9),
        "command": st.text(min_size=1, max_size=20) | st.lists(st.text(max_size=9), min_size=1, max_size=3),
        "rules": st.dictionaries(st.sampled_from(["expected", "expect", "relation", "ref_value"]), JSON, max_size=3),
        "file_type": st.text(max_size=5),
        "file_content": st.text(max_size=5),
    },
)


@given(
    st.fixed_dictionaries(
        {
            "id": st.just("a"),
            "instruction": st.just("Do it."),
            "config": st.lists(PART, max_size=2),
            "related_apps": st.lists(st.sampled_from(["chrome", "os", "Libreoffice Calc", "gimp", "?"]), max_size=2),
            "evaluator": st.fixed_dictionaries(
                {"func": FUNCS},
                optional={
                    "result": PART,
                    "expected": PART,
                    "postconfig": st.lists(PART, max_size=1),
                    "options": st.fixed_dictionaries({}, optional={"rules": JSON, "file_type": JSON, "other": JSON}),
                },
            ),
        }
    )
)
def test_whatever_is_well_formed_can_be_told_whether_it_can_be_played(spec: dict[str, Any]) -> None:
    try:
        file = parse(json.dumps(spec).encode(), "a.json")
    except ConfigError:
        return
    assert all(str(problem) for problem in problems_of(file, Downloads(None)))


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (task(step("login", platform="googledrive"), func="exact_match"), ("login", "login")),
        (task(step("chrome_open_tabs", urls_to_open=["https://a.org"]), func="exact_match"),
         ("internet", "pages in the browser")),
        (task(apps=["chrome"], func="infeasible"), ("internet", "the browser")),
        (task(apps=["gimp"], func="infeasible"), ("app", "gimp (picture editor)")),
        (task(step("launch", command="thunderbird"), func="infeasible"), ("app", "thunderbird (mail reader)")),
        (task(step("open", path="a.pptx"), func="infeasible"), ("app", "loimpress (presentation program)")),
        (task(step("open", path="a.xcf"), func="infeasible"), ("step", "open a file like *.xcf")),
        (task(step("execute", command="echo {CLIENT_PASSWORD} | sudo -S ls", shell=True), func="infeasible"),
         ("root", "sudo")),
        (task(step("execute", command="ls && A=1 timeout 3 gsettings get a b", shell=True), func="infeasible"),
         ("system", "gsettings")),
        (task(step("execute", command=["/usr/bin/frobnicate", "x"]), func="infeasible"), ("program", "frobnicate")),
        (task(step("execute", command=["pip", "install", "x"]), func="infeasible"), ("internet", "pip")),
        (task(step("execute", command="ls 'a"), func="infeasible"),
         ("step", "a command with a quote that does not end")),
        (task(script("import pyautogui\nwhile True: pass"), func="infeasible"),
         ("step", "a script: the script has more than calls: while True: pass")),
        (task(step("dance"), func="infeasible"), ("step", "dance")),
        (task(download("a", "/etc/passwd"), func="infeasible"), ("step", "a file at /etc/passwd")),
        (task(download("a", "/home/user/../../etc/x"), func="infeasible"), ("step", "a file at /etc/x")),
        (task(download("a", "b"), func="infeasible"), ("file", HOST + "a")),
        (task(func="compare_pptx_files"), ("metric", "compare_pptx_files")),
        (task(func="compare_csv", options={"sorted": True}), ("metric", "compare_csv with sorted")),
        (task(func="exact_match", expected=rule(wanted=3)), ("metric", "exact_match: no rule with expected")),
        (task(func="compare_table", options={"rules": [{"type": "sparkline"}]}),
         ("metric", "compare_table: the rule sparkline")),
        (task(func="check_list", expected=rule(expect=["("])), ("metric", "check_list: the pattern '('")),
        (task(func="exact_match", result={"type": "vlc_config"}, expected=rule(expected=1)), ("getter", "vlc_config")),
        (task(func="check_list", result={"type": "cache_file", "path": "x"}, expected=rule()),
         ("getter", "cache_file x, which nothing writes")),
        (task(func="exact_match", expected=rule(expected=1), result=output("which spotify")), ("program", "spotify")),
    ],
)  # fmt: skip
def test_what_cannot_be_played_has_a_reason(spec: dict[str, Any], problem: tuple[str, str]) -> None:
    assert problem in kinds(spec)


def test_what_is_known_and_at_hand_has_none(tmp_path: Path) -> None:
    for name in ("a.txt", "gold.txt"):
        (tmp_path / name).write_text("a")
    local = task(
        step("chrome_open_tabs", urls_to_open=["file:///home/user/a.html"]), apps=["chrome"], func="infeasible"
    )
    assert not kinds(GOOD, Downloads(tmp_path))
    assert not kinds(local)


def test_a_suite_leaves_out_what_cannot_be_played_and_the_report_says_why(tmp_path: Path) -> None:
    examples = tmp_path / "examples" / "os"
    examples.mkdir(parents=True)
    for name, spec in (("good", GOOD), ("far", task(apps=["chrome"], func="infeasible"))):
        (examples / f"{name}.json").write_text(json.dumps({**spec, "id": name}))
    index = tmp_path / "test_all.json"
    index.write_text(json.dumps({"os": ["far", "good"]}))
    files = tmp_path / "files"
    files.mkdir()
    assert [len(osworld.load(where, files)) for where in (index, tmp_path / "examples", examples / "good.json")] == [
        0,
        0,
        0,
    ]
    for name in ("a.txt", "gold.txt"):
        (files / name).write_text("a")
    for where in (index, tmp_path / "examples"):
        assert [each.id for each in osworld.load(where, files, name="mine").tasks] == ["mine/good"]
    report = osworld.report(index)
    assert [(entry.file.id, entry.supported, entry.ready) for entry in report.entries] == [
        ("far", False, False),
        ("good", True, False),
    ]
    assert str(report).splitlines() == [
        "Well-formed tasks: 2.",
        "Supported on this machine: 1; with all their files at hand, too: 0.",
        "1 task: needs the internet (the browser 1)",
        "1 task: needs a file that is not at hand, or too big (2 files)",
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no task file"),
        ({"a.json": "{"}, "a.json: line 1, column 2: no JSON"),
        ({"a.json": json.dumps(GOOD), "b.json": json.dumps(GOOD)}, "b.json: id: the task '5ced85fc"),
        ({"a.json": '{"evaluator": 1}'}, "a.json: id: Field required"),
    ],
)
def test_a_folder_with_a_wrong_file_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError) as error:
        osworld.load(tmp_path)
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ('{"os": ["../../x"]}', "os.0: wanted the id of a task, got '../../x'"),
        ('{"os": [3]}', "os.0: wanted the id of a task, got 3"),
        ('{"os": "x"}', "wanted a task, or an index"),
        ('{"os": ["x"]}', "x.json: the task file cannot be read: No such file"),
    ],
)
def test_an_index_names_tasks_beside_it(tmp_path: Path, index: str, message: str) -> None:
    (tmp_path / "all.json").write_text(index)
    with pytest.raises(ConfigError) as error:
        osworld.load(tmp_path / "all.json")
    assert message in str(error.value)


def test_no_folder_of_files_or_tasks_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        osworld.load(tmp_path, tmp_path / "none")
    with pytest.raises(ConfigError, match="there is no such file or folder of tasks"):
        osworld.load(tmp_path / "none")


def test_files_are_found_by_their_manifest_or_by_as_much_of_their_address_as_there_is(tmp_path: Path) -> None:
    (tmp_path / "calc" / "1").mkdir(parents=True)
    (tmp_path / "calc" / "1" / "My Book.xlsx").write_text("deep")
    (tmp_path / "My Book.xlsx").write_text("flat")
    (tmp_path / "other").write_text("listed")
    (tmp_path / "manifest.json").write_text(json.dumps({"https://a.org/x": "other", "https://a.org/y": "gone"}))
    downloads = Downloads(tmp_path)
    assert downloads.read("https://a.org/main/calc/1/My%20Book.xlsx?download=true") == b"deep"
    assert downloads.read("https://a.org/main/calc/2/My%20Book.xlsx") == b"flat"
    assert downloads.read("https://a.org/x") == b"listed"
    assert downloads.find("https://a.org/y") is None
    with pytest.raises(ConfigError, match=r"cannot be read: https://a\.org/z is not in"):
        downloads.read("https://a.org/z")


def test_a_file_that_no_desktop_takes_is_not_at_hand(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(64_000_001)
    assert kinds(task(download("big", "big"), func="infeasible"), Downloads(tmp_path)) == {("file", HOST + "big")}
    with pytest.raises(ConfigError, match="has 64,000,001 bytes, more than the 64,000,000 that a desktop takes"):
        Downloads(tmp_path).read(HOST + "big")


def test_no_address_and_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (tmp_path / "secret").write_text("secret")
    (files / "link").symlink_to(tmp_path / "secret")
    downloads = Downloads(files)
    for address in ("https://a.org/../secret", "https://a.org/..%2Fsecret", "https://a.org/link", "//[", "a/%00"):
        assert downloads.find(address) is None
    assert downloads.find("https://a.org/" + "x" * 5000) is None
    (files / "manifest.json").write_text('{"https://a.org/x": "../secret"}')
    with pytest.raises(ConfigError, match=r"https://a\.org/x: wanted a path inside the folder, got '\.\./secret'"):
        Downloads(files)


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("~/a", "/home/user/a"),
        ("$HOME/a", "/home/user/a"),
        ("a/../b", "/home/user/b"),
        ("/tmp/x", "/tmp/x"),
        ("/home/user/../../etc", "/etc"),
    ],
)
def test_paths_are_those_of_the_home_folder(path: str, there: str) -> None:
    assert inside(path) == there


def test_the_example_of_the_docs_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parent.parent / "docs" / "osworld.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    examples = tmp_path / "OSWorld" / "evaluation_examples" / "examples" / "os"
    examples.mkdir(parents=True)
    (tmp_path / "osworld_files").mkdir()
    (examples / "one.json").write_text(json.dumps({**task(apps=["os"], func="infeasible"), "id": "one"}))
    (examples.parent.parent / "test_all.json").write_text('{"os": ["one"]}')
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example, names)
    assert [each.id for each in names["suite"].tasks] == ["osworld/one"]
    assert "Well-formed tasks: 1." in capsys.readouterr().out
