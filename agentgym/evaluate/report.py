"""The report of a training run: one HTML file that opens offline.

Everything is inline: charts, screenshots, style. A content security policy in the page forbids all requests, and all
that pages and models wrote is escaped. A run that goes on, or was interrupted, has a report as well.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from agentgym.errors import MissingDependencyError
from agentgym.evaluate.run_record import RunRecord, Scoring, TaskScore, read_run
from agentgym.evaluate.shown import Album, Pair, pairs
from agentgym.versions import installation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_CURVES = 24  # tasks whose learning curves are drawn; of more, those that changed most
UNKNOWN = "\N{EN DASH}"  # stands for a number that there is not
LATEST = 5  # generations over which a run that goes on is described


class Tile(NamedTuple):
    """A key number."""

    label: str
    value: str
    note: str = ""
    kind: str = ""
    """CSS class: before, after, or none."""


class Row(NamedTuple):
    """A task, or all of them, before and after."""

    name: str
    before: TaskScore | Scoring | None
    after: TaskScore | Scoring | None

    @property
    def change(self) -> float | None:
        """Difference of the success rates, or None where one is missing."""
        before, after = (score.success if score else None for score in (self.before, self.after))
        return None if before is None or after is None else after - before


def write_report(run: Path) -> Path:
    """Write a run's ``report.html`` from what is in its folder; return its path.

    Raises:
        StoreError: it is not a run's folder, or one of its files is corrupt; the message names it.
        MissingDependencyError: plotly is not installed.
        OSError: the report cannot be written.
    """
    page = render(read_run(run))
    path = run / "report.html"
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        aside.write_bytes(page.encode(errors="replace"))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def render(run: RunRecord) -> str:
    """Return a run's report as HTML.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    environment = Environment(
        loader=PackageLoader("agentgym.evaluate", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "points": points, "interval": interval}
    album = Album()
    shown = pairs(run.shown_before, run.shown_after, album)
    rows = _rows(run)
    return environment.get_template("report.html.j2").render(
        run=run,
        summary=run.summary,
        sentence=sentence(run),
        tiles=_tiles(run),
        rows=rows,
        shares=_shares(run),
        shown=shown,
        opened=_example(shown),
        album=album,
        **_charts(run, rows),
    )


def sentence(run: RunRecord) -> str:
    """Say in one sentence, or two, what came out."""
    before, after = run.before, run.after
    over = f" on {_count(len(run.tasks), 'task')}" if run.tasks else ""
    if before is None or before.success is None:
        return "The run has just begun: the model has not been scored yet."
    if after is None or after.success is None:
        text = f"Before training, success is {percent(before.success)}{over}."
        latest = [each.success for each in run.generations[-LATEST:] if each.success is not None]
        if latest:
            mean = percent(sum(latest) / len(latest))
            text += f" In the last {_count(len(latest), 'generation')} of training it is {mean}."
        return text + " The run has not finished, so there is no score after training yet."
    change = after.success - before.success
    if not change:
        return f"Success stayed at {percent(after.success)}{over}."
    verb = "rose" if change > 0 else "fell"
    text = f"Success {verb} from {percent(before.success)} to {percent(after.success)}{over}"
    if run.summary.train_minutes is not None:
        text += f" in {run.summary.train_minutes:,.1f} minutes of training"
    if before.ci95 and after.ci95 and before.ci95[0] <= after.ci95[1] and after.ci95[0] <= before.ci95[1]:
        text += "; the 95 % intervals overlap, so this may be chance"
    return text + "."


def percent(rate: float | None) -> str:
    """Write a rate as in ``81.5 %``."""
    return UNKNOWN if rate is None else f"{100 * rate:.1f}\N{NO-BREAK SPACE}%"


def points(change: float | None) -> str:
    """Write a difference of rates in percentage points, with its sign."""
    return UNKNOWN if change is None else f"{100 * change:+.1f}".replace("-", "\N{MINUS SIGN}")


def interval(bounds: tuple[float, float] | None) -> str:
    """Write an interval of rates as in ``77.2-85.0 %``, with an en dash."""
    return "" if bounds is None else f"{100 * bounds[0]:.1f}\N{EN DASH}{100 * bounds[1]:.1f}\N{NO-BREAK SPACE}%"


def _rows(run: RunRecord) -> list[Row]:
    before, after = (scoring.tasks if scoring else {} for scoring in (run.before, run.after))
    return [Row(task, before.get(task), after.get(task)) for task in run.tasks if task in before or task in after]


def _tiles(run: RunRecord) -> list[Tile]:
    """Return the key numbers that are known."""
    summary, tiles = run.summary, []
    for label, scoring in (("before", run.before), ("after", run.after)):
        if scoring is not None:
            count = f" · {_count(scoring.episodes, 'episode')}" if scoring.episodes else ""
            note = f"95 %: {interval(scoring.ci95)}" if scoring.ci95 else ""
            tiles.append(Tile(f"success {label}", percent(scoring.success), (note + count).removeprefix(" · "), label))
    elapsed = max((each.minutes for each in run.generations if each.minutes is not None), default=None)
    minutes = summary.train_minutes if summary.train_minutes is not None else elapsed
    if minutes is not None:
        whole = "" if summary.wall_minutes is None else f"{summary.wall_minutes:,.1f} with the scoring"
        tiles.append(Tile("minutes of training", f"{minutes:,.1f}", whole))
    trained = sum(each.episodes or 0 for each in run.generations)
    if trained:
        note = f"in {_count(len(run.generations), 'generation')}"
        tiles.append(Tile("episodes in training", f"{trained:,}", note))
    elif summary.episodes is not None:
        tiles.append(Tile("episodes", f"{summary.episodes:,}"))
    if summary.steps_per_s is not None:
        note = "" if summary.env_steps is None else f"{summary.env_steps:,} steps in all"
        tiles.append(Tile("steps a second in training", f"{summary.steps_per_s:,.1f}", note))
    counted = [each.infrastructure_failures for each in run.generations if each.infrastructure_failures is not None]
    failures = sum(counted) if counted else None
    if summary.infrastructure_failures is not None:
        failures = summary.infrastructure_failures
    if failures is not None:
        tiles.append(Tile("infrastructure failures", f"{failures:,}", "left out of every rate"))
    return tiles


def _shares(run: RunRecord) -> list[tuple[str, float]]:
    """Return how the time of a generation was spent, on average; empty where it is not known."""
    known = [
        (each.env_share, each.policy_share, each.learn_share)
        for each in run.generations
        if each.env_share is not None and each.policy_share is not None and each.learn_share is not None
    ]
    names = ("environment", "policy", "learning")
    return [(name, sum(column) / len(known)) for name, column in zip(names, zip(*known, strict=True), strict=False)]


def _example(shown: dict[str, list[Pair]]) -> str:
    """Return the task that is shown open: the first with an episode that was learned, or else the first."""
    learned = (task for task, episodes in shown.items() if any(episode.learned for episode in episodes))
    return next(learned, next(iter(shown), ""))


def _charts(run: RunRecord, rows: Sequence[Row]) -> dict[str, Any]:
    try:
        from agentgym.evaluate import charts
    except ImportError as error:
        raise MissingDependencyError(f"Reports need plotly: {installation('train')}.") from error
    changes = {row.name: abs(row.change or 0.0) for row in rows}
    trained = [task for task in run.tasks if any(task in each.tasks for each in run.generations)]
    drawn = set(sorted(trained, key=lambda task: -changes.get(task, 0.0))[:MAX_CURVES])
    curves = [
        (task, Markup(charts.task_curve(run.generations, task, number)))  # noqa: S704 (plotly escapes its JSON)
        for number, task in enumerate(trained)
        if task in drawn
    ]
    names = [row.name for row in rows]
    parts = {
        "learning": charts.learning_curve(run.generations, run.before, run.after) if run.generations else "",
        "scores": charts.task_scores(names, _short(names), run.before, run.after) if rows else "",
    }
    parts["library"] = charts.library() if any(parts.values()) else ""
    return {
        **{name: Markup(part) for name, part in parts.items()},  # noqa: S704 (plotly escapes its JSON)
        "curves": curves,
        "hidden_curves": len(trained) - len(curves),
        "window": charts.WINDOW,
        "task_window": charts.TASK_WINDOW,
    }


def _short(names: Sequence[str]) -> list[str]:
    """Leave out the suite where all names share it."""
    suites = {name.partition("/")[0] for name in names if "/" in name}
    shared = len(suites) == 1 and all("/" in name for name in names)
    return [name.partition("/")[2] if shared else name for name in names]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
