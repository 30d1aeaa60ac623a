"""Pages of any size, mixed as real ones are: navigation, a form, a table, nested lists, prose."""

from __future__ import annotations

from itertools import count, cycle, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SYLLABLES = ("bal", "car", "de", "for", "gar", "in", "kol", "lum", "mar", "nor", "pel", "ro", "sum", "ti", "ven", "wol")
WORDS = tuple(first + second for first in SYLLABLES for second in SYLLABLES[::3])
STYLE = """<style>
  body { margin: 0; font: 14px sans-serif } nav a { padding: 4px; display: inline-block } td { border: 1px solid #ccc }
  .card { border: 1px solid #ddd; padding: 8px; margin: 8px } .muted { color: gray } .menu { display: none }
  li:hover { background: #eee } button { cursor: pointer }
</style>"""
ROW_NODES = 10  # of `_row`, as of every other piece, so that a page can be built to a size


def big_page(nodes: int) -> str:
    """Return the body of a page with about so many elements (to within 1 %, or 30)."""
    words = cycle(WORDS)
    text = (" ".join(islice(words, 2 + n % 5)) for n in count())
    rows, items, cards, prose = (int(nodes * share / ROW_NODES) for share in (0.5, 0.2, 0.1, 0.2))
    table = "".join(_row(text, n) for n in range(rows))
    return (
        STYLE
        + '<nav aria-label="Main">'
        + "".join(f'<a href="#{n}">{next(text)}</a>' for n in range(12))
        + '</nav><header><h1>Orders</h1><input type="search" placeholder="Search"><button>Go</button></header><main>'
        + "".join(_card(text, n) for n in range(cards))
        + f"<table><caption>All orders</caption><tbody>{table}</tbody></table>"
        + "".join(_list(text) for _ in range(items))
        + "".join(_prose(text) for _ in range(prose))
        + "</main><footer><p>Contact</p></footer>"
    )


def _row(text: Iterator[str], n: int) -> str:
    cells = f"<td>{n}</td><td><a href='#o{n}'>{next(text)}</a></td><td>{next(text)}</td>"
    muted = f"<td><span class='muted'>{next(text)}</span></td>"
    return f"<tr>{cells}{muted}<td><button>Edit {n}</button></td><td></td></tr>"


def _list(text: Iterator[str]) -> str:
    plain = "".join(f"<li>{next(text)}</li>" for _ in range(4))
    return f"<ul>{plain}<li><a href='#'>{next(text)}</a></li><li class='menu'><b>{next(text)}</b></li></ul>" + "<hr>"


def _card(text: Iterator[str], n: int) -> str:
    fields = f"<label for='f{n}'>{next(text)}</label><input id='f{n}'>"
    choice = (
        f"<label><input type='checkbox'>{next(text)}</label><select><option>Low</option><option>High</option></select>"
    )
    return f"<form class='card'>{fields}{choice}<textarea>{next(text)}</textarea></form>"


def _prose(text: Iterator[str]) -> str:
    sentence = f"{next(text)} {next(text)} <em>{next(text)}</em> {next(text)} <a href='#'>{next(text)}</a>."
    return f"<section><h2>{next(text)}</h2><p>{sentence}</p><p>{sentence}</p><hr></section>"
