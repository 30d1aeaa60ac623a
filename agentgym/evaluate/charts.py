"""The charts of a report, drawn by plotly: each function returns one HTML element and the script that fills it.

The page must load `library()` once before them. Backgrounds are transparent, and text and grid take the page's colours
by its style sheet, so that one chart serves light and dark. Names are escaped twice: plotly escapes its JSON against
the page, and `_plain` keeps plotly from reading a name as markup.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.evaluate.run_record import Generation, Scoring, TaskScore

# Orange and blue stay apart for every kind of colour blindness, and have a contrast of 3 on white and on near-black.
BEFORE = "#d0741c"
AFTER = "#2f7fc4"
FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13}
WINDOW = 5  # generations that a mean spans: the generation itself and two on each side
TASK_WINDOW = 9  # wider, for a generation holds few episodes of a single task
ROW_PX = 38  # height of a task in the chart of tasks


def library() -> str:
    """Return plotly's JavaScript."""
    return str(get_plotlyjs())


def learning_curve(generations: Sequence[Generation], before: Scoring | None, after: Scoring | None) -> str:
    """Draw success while training, and the scorings before and after it with their intervals."""
    played = [generation for generation in generations if generation.success is not None]
    x = [generation.generation for generation in played]
    y = [generation.success or 0.0 for generation in played]
    notes = [_note(generation) for generation in played]
    figure = go.Figure(
        [
            go.Scatter(
                x=x, y=y, text=notes, name="each generation", mode="lines+markers", opacity=0.35,
                line={"color": AFTER, "width": 1}, marker={"size": 4}, hovertemplate="%{text}<extra></extra>",
            ),
            go.Scatter(
                x=x, y=smooth(y, WINDOW), name=f"mean of {WINDOW} generations", mode="lines", hoverinfo="skip",
                line={"color": AFTER, "width": 2.5},
            ),
        ]
    )  # fmt: skip
    ends = [(before, "before", BEFORE, min(x, default=1) - 1), (after, "after", AFTER, max(x, default=0) + 1)]
    for scoring, name, colour, place in ends:
        if scoring is not None and scoring.success is not None:
            figure.add_trace(_scored([scoring], name, colour, x=[place], y=[scoring.success]))
    figure.update_layout(_layout(height=380, x_title="generation"))
    figure.update_layout(margin={"t": 40})
    return _element(figure, "chart-learning")


def task_curve(generations: Sequence[Generation], task: str, number: int) -> str:
    """Draw success on one task while training; small, without a legend."""
    played = [(each, each.tasks[task]) for each in generations if task in each.tasks]
    rates = [(each.generation, score.success) for each, score in played if score.success is not None]
    x, y = [place for place, _ in rates], [rate for _, rate in rates]
    hover = "generation %{x}: %{y:.0%}<extra></extra>"
    figure = go.Figure(
        [
            go.Scatter(
                x=x, y=y, mode="lines", opacity=0.35, line={"color": AFTER, "width": 1}, hovertemplate=hover,
            ),
            go.Scatter(
                x=x, y=smooth(y, TASK_WINDOW), mode="lines", line={"color": AFTER, "width": 2}, hoverinfo="skip",
            ),
        ]
    )  # fmt: skip
    figure.update_layout(_layout(height=120))
    figure.update_layout(showlegend=False, margin={"l": 38, "r": 6, "t": 6, "b": 22})
    figure.update_yaxes(tickvals=[0, 0.5, 1])
    figure.update_xaxes(nticks=4)
    return _element(figure, f"chart-task-{number}")


def task_scores(tasks: Sequence[str], labels: Sequence[str], before: Scoring | None, after: Scoring | None) -> str:
    """Draw success on each task before and after, with intervals; the first task on top."""
    figure = go.Figure()
    for scoring, name, colour, offset in ((before, "before", BEFORE, -0.12), (after, "after", AFTER, 0.12)):
        found = {} if scoring is None else scoring.tasks
        rows = [
            (row, label, found[task])
            for row, (task, label) in enumerate(zip(tasks, labels, strict=True))
            if task in found and found[task].success is not None
        ]
        if rows:
            scores = [score for _, _, score in rows]
            rates, places = [score.success for score in scores], [row + offset for row, _, _ in rows]
            trace = _scored(scores, name, colour, x=rates, y=places, across=True)
            trace.text = [_plain(label) for _, label, _ in rows]
            figure.add_trace(trace)
    figure.update_layout(_layout(height=90 + ROW_PX * len(tasks)), margin={"t": 40, "b": 36, "r": 16, "l": 10})
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", showgrid=True)
    rows_axis = {"tickvals": list(range(len(tasks))), "ticktext": [_plain(label) for label in labels]}
    figure.update_yaxes(**rows_axis, range=[len(tasks) - 0.5, -0.5], automargin=True, tickformat="", ticksuffix="  ")
    return _element(figure, "chart-tasks")


def smooth(values: Sequence[float], window: int) -> list[float]:
    """Return the centred moving mean, over an odd window that is cut at both ends; as many values as were given."""
    reach = window // 2
    parts = [values[max(0, index - reach) : index + reach + 1] for index in range(len(values))]
    return [sum(part) / len(part) for part in parts]


def _scored(
    scores: Sequence[Scoring | TaskScore],
    name: str,
    colour: str,
    *,
    x: Sequence[float | None],
    y: Sequence[float | None],
    across: bool = False,
) -> Any:
    """Return points with their 95 % intervals; across where success runs along x."""
    rates = [score.success or 0.0 for score in scores]
    bounds = [score.ci95 or (rate, rate) for score, rate in zip(scores, rates, strict=True)]
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, high - rate) for (_, high), rate in zip(bounds, rates, strict=True)],
        "arrayminus": [max(0.0, rate - low) for (low, _), rate in zip(bounds, rates, strict=True)],
        "color": colour,
        "thickness": 1.5,
        "width": 4,
    }
    texts = [f"{name} {rate:.1%} (95 %: {low:.1%} to {high:.1%})"
             for (low, high), rate in zip(bounds, rates, strict=True)]  # fmt: skip
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="markers",
        marker={"color": colour, "size": 9, "symbol": "circle" if name == "after" else "diamond"},
        error_x=bars if across else None,
        error_y=None if across else bars,
        customdata=texts,
        hovertemplate=("%{text}<br>" if across else "") + "%{customdata}<extra></extra>",
    )


def _note(generation: Generation) -> str:
    """Return what is told of a generation when it is pointed at."""
    lines = [f"generation {generation.generation}: {generation.success or 0:.1%}"]
    for value, form in (
        (generation.minutes, "after {:.1f} minutes"),
        (generation.episodes, "{} episodes"),
        (generation.reward, "mean reward {:.2f}"),
        (generation.mean_steps, "{:.1f} steps an episode"),
    ):
        if value is not None:
            lines.append(form.format(value))
    return "<br>".join(lines)


def _layout(*, height: int, x_title: str = "") -> dict[str, Any]:
    axis = {"fixedrange": True, "zeroline": False, "showline": False}  # fixed, so that a finger scrolls the page
    return {
        "template": "none",
        "height": height,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": FONT,
        "dragmode": False,
        "hoverlabel": {"bgcolor": "#26303a", "bordercolor": "#26303a", "font": {"color": "#ffffff"}},
        "margin": {"l": 50, "r": 12, "t": 12, "b": 44},
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        "xaxis": {**axis, "title": {"text": x_title, "font": {"size": 13}, "standoff": 6}, "showgrid": False},
        "yaxis": {**axis, "range": [-0.03, 1.03], "tickformat": ".0%"},
    }


def _plain(text: str) -> str:
    """Escape text that plotly would otherwise read as its pseudo-HTML."""
    return html.escape(text, quote=False)


def _element(figure: Any, name: str) -> str:
    return str(
        plotly.io.to_html(
            figure,
            include_plotlyjs=False,
            full_html=False,
            div_id=name,
            config={"displayModeBar": False, "responsive": True},
        )
    )
