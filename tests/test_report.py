"""The report of a run: what it says, what it escapes, what it forgives, and that a browser shows it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agentgym.episode import EpisodeKey, Outcome, Trajectory, Turn
from agentgym.errors import AgentGymError, StoreError
from agentgym.evaluate.charts import smooth, task_scores
from agentgym.evaluate.interval import wilson
from agentgym.evaluate.report import sentence, write_report
from agentgym.evaluate.run_record import Scoring, TaskScore, read_run
from agentgym.rollout.store import SCHEMA, TrajectoryStore
from agentgym_browser.chromium import find_chromium

if TYPE_CHECKING:
    from pathlib import Path

TASKS = ("miniwob/click-button", "miniwob/enter-text")
ATTACK = "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
ESCAPED = "&lt;script&gt;document.title="
PROMPT = 'Task: Press "Ok".\nScreen:\nbutton "Ok [2]" [1]\nbutton "No" [2]'


def scoring(*successes: int) -> dict[str, Any]:
    """The scoring of each task with so many successes of 40."""
    tasks = {
        task: {
            "success": count / 40,
            "ci95": wilson(count, 40),
            "episodes": 40,
            "infrastructure_failures": 1,
            "mean_steps": 2.5,
        }
        for task, count in zip(TASKS, successes, strict=True)
    }
    total = sum(successes)
    return {"success": total / 80, "ci95": wilson(total, 80), "tasks": tasks, "steps_per_s": 31.5}


def generation(number: int) -> dict[str, Any]:
    tasks = {task: {"success": min(1.0, number / 8), "episodes": 8} for task in TASKS}
    shares = {"env_share": 0.5, "policy_share": 0.3, "learn_share": 0.2}
    return {
        "generation": number, "episodes": 16, "success": min(1.0, number / 8), "reward": 0.4, "mean_steps": 2.0,
        "rows": 32, "infrastructure_failures": 0, "minutes": 0.5 * number, "tasks": tasks, **shares,
    }  # fmt: skip


def screenshot(shade: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((120, 160, 3), shade, np.uint8)


def played(task: str, *turns: Turn, success: bool, instruction: str = 'Press "Ok".') -> Trajectory:
    outcome: Outcome = "success" if success else "failure"
    reason = "pressed Ok" if success else "pressed No"
    return Trajectory(EpisodeKey(task, seed=1_000_003), instruction, turns, outcome, float(success), reason)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that is done."""
    folder = tmp_path / "first-run"
    folder.mkdir()
    before, after = scoring(4, 6), scoring(30, 38)
    write(folder / "before.json", before)
    write(folder / "after.json", after)
    (folder / "progress.jsonl").write_text("".join(json.dumps(generation(number)) + "\n" for number in range(1, 9)))
    summary = {
        "name": "first-run", "model": "nano", "algorithm": "grpo", "tasks": TASKS,
        "episodes": 288, "generations": 8, "train_minutes": 4.0, "wall_minutes": 5.5, "env_steps": 512,
        "steps_per_s": 12.3, "infrastructure_failures": 3, "seed": 7, "versions": {"trl": "1.16.0"},
        "before": {"success": before["success"]}, "after": {"success": after["success"]},
    }  # fmt: skip
    write(folder / "summary.json", summary)
    (folder / "config.yaml").write_text("model: nano\nseed: 7  # as <given>\n")
    wrong = [
        Turn(PROMPT, "click(x=40, y=30)", "click(x=40, y=30)", "", screenshot=screenshot(250)),
        Turn(PROMPT, "press it", "", "'press it' is not an action.", screenshot=screenshot(250)),
        Turn(PROMPT, "click(2)", "click(2)", "", screenshot=screenshot(240)),
    ]
    right = [Turn(PROMPT, 'button "Ok [2]" [1]\nclick(1)', "click(1)", "", screenshot=screenshot(250))]
    shown = TrajectoryStore(folder / "trajectories" / "shown-before")
    shown.append([played(task, *wrong, success=False) for task in TASKS])
    shown = TrajectoryStore(folder / "trajectories" / "shown-after")
    shown.append([played(task, *right, success=True) for task in TASKS])
    return folder


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def report(run: Path) -> str:
    path = write_report(run)
    assert path == run / "report.html"
    assert not list(run.glob("*.tmp"))
    return path.read_text()


def text_of(page: str) -> str:
    """What is shown: the page without scripts, styles and tags, blanks made one."""
    bare = re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^>]*>", " ", page)
    return " ".join(bare.split())


def test_the_report_says_what_came_out(run: Path) -> None:
    text = text_of(report(run))
    assert "Success rose from 12.5 % to 85.0 % on 2 tasks in 4.0 minutes of training." in text
    for part in ("model nano", "seed 7", "5.5 with the scoring", "128 in 8 generations", "12.3"):
        assert part in text
    assert "95 %: 6.9\N{EN DASH}21.5 % · 80 episodes" in text  # the Wilson interval of 10 in 80
    assert "environment 50 %, policy 30 %, learning 20 %" in text
    assert "miniwob/enter-text 15.0 % 7.1\N{EN DASH}29.1 % 95.0 % 83.5\N{EN DASH}98.6 % +80.0" in text
    assert "seed: 7 # as &lt;given&gt;" in text
    assert "trl 1.16.0" in text


def test_episodes_are_shown_step_by_step_with_each_screenshot_once(run: Path) -> None:
    page = report(run)
    text = text_of(page)
    assert text.count("✗ failure 3 steps Judge: pressed No") == text.count("✓ success 1 step Judge: pressed Ok") == 2
    assert "&#39;press it&#39; is not an action." in text
    assert "on button &#34;No&#34; [2]" in text  # the name `Ok [2]` does not pass for the id
    assert page.count('href="data:image/png;base64,') == 2
    assert len(re.findall(r'<use href="#shot-\d+"', page)) == 8
    assert page.count('translate(40 30)"') == 2
    assert page.count('<details class="task" open>') == 1


def test_what_pages_and_models_wrote_is_escaped_everywhere(run: Path) -> None:
    turn = Turn(ATTACK, ATTACK, "", ATTACK)
    store = TrajectoryStore(run / "trajectories" / "shown-after")
    store.append([played(ATTACK, turn, success=True, instruction=ATTACK)])
    write(run / "after.json", {"success": 0.5, "tasks": {ATTACK: {"success": 0.5}}})
    lines = [{**generation(number), "tasks": {ATTACK: {"success": 0.5}}} for number in (1, 2)]
    (run / "progress.jsonl").write_text("\n".join(map(json.dumps, lines)))
    write(run / "summary.json", {"name": ATTACK, "model": ATTACK, "versions": {ATTACK: ATTACK}})
    (run / "config.yaml").write_text(ATTACK)
    page = report(run)
    assert "<script>document.title" not in page
    assert "<img src=x" not in page
    assert page.count(ESCAPED) >= 11
    assert "{{ 7 * 7 }}" in page


def test_plotly_does_not_read_names_as_markup() -> None:
    name = "<a href='https://example.org'>task</a>"
    chart = task_scores([name], [name], None, Scoring(success=1, tasks={name: TaskScore(success=1)}))
    assert "\\u0026lt;a href" in chart or "&lt;a href" in chart
    assert "\\u003ca href" not in chart


def test_the_report_asks_for_nothing_from_outside(run: Path) -> None:
    page = report(run)
    assert "default-src 'none'; img-src data:;" in page
    own = re.sub(r"(?s)<script>/\*\*.*?</script>", "", page, count=1)  # plotly itself, which names map servers
    assert len(own) < len(page) / 5
    assert all(target.startswith(("#", "data:")) for target in re.findall(r'\b(?:src|href)\s*=\s*"([^"]*)', own))
    assert not re.search(r"<link|<iframe|@import|url\(|https?://", own)


def test_the_same_run_gives_the_same_report(run: Path) -> None:
    assert report(run) == report(run)


def test_a_run_that_goes_on_has_a_report(run: Path) -> None:
    for name in ("after.json", "summary.json", "config.yaml"):
        (run / name).unlink()
    with (run / "progress.jsonl").open("a") as file:
        file.write('{"generation": 9, "episo')
    text = text_of(report(run))
    assert "Before training, success is 12.5 % on 2 tasks. In the last 5 generations of training it is 75.0 %" in text
    assert "The run has not finished" in text
    assert "success after" not in text


@pytest.mark.parametrize("name", ["before.json", "summary.json", "progress.jsonl"])
def test_any_one_file_of_a_run_is_enough(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("" if name == "progress.jsonl" else "{}")
    assert "The run has just begun" in report(tmp_path)


def test_scorings_are_taken_from_the_summary_where_they_have_no_file(run: Path) -> None:
    (run / "before.json").unlink()
    (run / "after.json").unlink()
    assert sentence(read_run(run)).startswith("Success rose from 12.5\N{NO-BREAK SPACE}% to 85.0")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ((20, 20), (19, 20), r"fell from 50\.0 % to 48\.8 % .*; the 95 % intervals overlap, so this may be chance\."),
        ((20, 20), (20, 20), r"stayed at 50\.0 % on 2 tasks\."),
    ],
)
def test_the_sentence_claims_no_more_than_the_numbers(
    run: Path, before: tuple[int, int], after: tuple[int, int], said: str
) -> None:
    write(run / "before.json", scoring(*before))
    write(run / "after.json", scoring(*after))
    assert re.search(said, sentence(read_run(run)).replace("\N{NO-BREAK SPACE}", " "))


def test_of_a_generation_that_was_done_twice_the_later_counts(run: Path) -> None:
    lines = [
        generation(1),
        generation(2),
        {**generation(2), "success": 0.9},
        {"generation": 3, "success": float("nan")},
    ]
    (run / "progress.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert [each.success for each in read_run(run).generations] == [0.125, 0.9, None]
    assert "after" in report(run)


def test_a_folder_that_is_no_run_says_what_is_missing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AgentGymError, match=r"holds nothing to report: .* `agentgym train` writes them"):
            write_report(folder)


@pytest.mark.parametrize("name", ["summary.json", "before.json", "after.json", "progress.jsonl"])
@pytest.mark.parametrize(
    "content", [b'{"success": 0.', b"[]", b'{"tasks": 3}', b"\xff\xfe", b'{"success": 7, "seed": "x"}']
)
def test_a_corrupt_file_is_named(run: Path, name: str, content: bytes) -> None:
    whole = json.dumps(generation(9)).encode()
    (run / name).write_bytes(content + b"\n" + whole if name == "progress.jsonl" else content)
    with pytest.raises(StoreError, match=rf"{name}(, line 1,)? is not what a run writes"):
        write_report(run)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(
    "content",
    [
        pa.table({"other": [1]}),
        pa.Table.from_pylist([{"task_id": "a", "seed": 1, "attempt": 0, "turn": 0}], schema=SCHEMA),
        pa.Table.from_pylist([{"outcome": "won", "score": 1.0, "turn": -1}], schema=SCHEMA),
    ],
)
def test_trajectories_that_no_episode_makes_are_named(run: Path, content: pa.Table) -> None:
    pq.write_table(content, run / "trajectories" / "shown-after" / "trajectories-00000.parquet")
    with pytest.raises(StoreError, match="shown-after"):
        write_report(run)


@pytest.mark.parametrize("pattern", ["*.parquet", "images/*.png"])
def test_a_cut_shard_or_image_is_named(run: Path, pattern: str) -> None:
    path = next((run / "trajectories" / "shown-before").glob(pattern))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StoreError, match=path.name):
        write_report(run)


def test_a_report_needs_neither_torch_nor_a_browser(run: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom agentgym.evaluate.report import write_report\n"
        "print(write_report(Path(sys.argv[1])))\n"
        "assert not {'torch', 'transformers', 'playwright', 'agentgym_browser'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(run / "report.html")


def test_the_moving_mean_is_cut_at_both_ends() -> None:
    assert smooth([0.0, 1.0, 2.0, 6.0], 3) == [0.5, 1.0, 3.0, 4.0]
    assert smooth([], 5) == []


def test_a_browser_draws_the_charts_without_an_error(run: Path, tmp_path: Path) -> None:
    store = TrajectoryStore(run / "trajectories" / "shown-after")
    store.append([played("miniwob/evil", Turn(ATTACK, ATTACK, "", ATTACK), success=True, instruction=ATTACK)])
    command = [
        str(find_chromium()), *(["--no-sandbox"] if os.geteuid() == 0 else []), "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=5000",
        "--dump-dom", write_report(run).as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "CONSOLE" not in done.stderr  # what the page logged, its errors, and requests that its policy forbade
    assert "<title>first-run" in done.stdout
    for chart in ("chart-learning", "chart-tasks", "chart-task-0", "chart-task-1"):
        drawn = done.stdout.partition(f'<div id="{chart}"')[2].partition("</svg>")[0]
        assert 'class="main-svg"' in drawn
        assert "scatterlayer" in drawn
