"""An inspection of pairs as one HTML page that needs nothing from elsewhere: no scripts, fonts or pictures."""

from __future__ import annotations

from html import escape
from itertools import zip_longest
from typing import TYPE_CHECKING

from lingualign._version import __version__
from lingualign.pairs.inspection.inspect import COSINE_EDGES, LENGTH_EDGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lingualign.pairs.inspection.inspect import Inspected, Inspection

_STYLE = """
:root { color-scheme: light dark; --text: #1c1d20; --faint: #63666d; --line: #d9dbe0; --page: #fff; --one: #2f6fb0;
  --two: #d9822b; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e7ea; --faint: #a0a3ab; --line: #3b3e45; --page: #17181b;
  --one: #6aa5e0; --two: #eba256; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 76rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; } details { border-top: 1px solid var(--line); padding: .4rem 0; }
summary { cursor: pointer; } a { color: var(--one); } tr:last-child td { border-bottom: none; }
 h3 { font-size: 1rem; margin-bottom: .3rem; }
table { border-collapse: collapse; margin: .5rem 0; } .wide { overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 600; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.s { overflow-wrap: anywhere; min-width: 14rem; } p, figcaption { color: var(--faint); }
figure { display: inline-block; margin: .5rem 1.5rem .5rem 0; } svg text { fill: var(--faint); font-size: 10px; }
.one { fill: var(--one); } .two { fill: var(--two); } svg line { stroke: var(--line); }
"""
_HEIGHT, _BAR, _GAP = 90, 12, 4


def inspection_page(inspection: Inspection) -> str:
    """Make the page: an overview with totals and links, then a section for each corpus and language pair.

    A section holds lengths, filter hits and a sample; it opens when its head or its link is clicked.

    Every text from the data is escaped.
    """
    total, _, dropped = inspection.totals()
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Translation pairs</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # Nothing is loaded and nothing runs, whatever a sentence may hold.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<style>{_STYLE}</style></head><body>",
        "<h1>Translation pairs</h1>",
        f"<p>{total:,} pairs, {dropped:,} of which a filter finds. A pair may be found by several. Lengths are in "
        "columns: ideographs, kana and Hangul syllables count two.</p>",
        *(f"<p>Warning: {escape(str(swapped))}</p>" for swapped in inspection.swapped),
        _overview(inspection),
        *(_section(place, group, inspection.reasons) for place, group in enumerate(inspection.groups)),
        f"<p>lingualign {escape(__version__)}</p></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _overview(inspection: Inspection) -> str:
    heads = ["corpus", "languages", "pairs", "length", *inspection.reasons, "any"]
    rows = [
        [
            group.corpus,
            f"{group.lang1}-{group.lang2}",
            f"{group.pairs:,}",
            " / ".join(map(str, group.middle_lengths)),
            *(f"{group.hits[reason]:,}" for reason in inspection.reasons),
            f"{group.dropped:,}",
        ]
        for group in inspection.groups
    ]
    total, hits, dropped = inspection.totals()
    counts = [f"{hits[reason]:,}" for reason in inspection.reasons]
    rows.append(["total", "", f"{total:,}", "", *counts, f"{dropped:,}"])
    links = [f"#{_anchor(place)}" for place in range(len(inspection.groups))]
    return _table(heads, rows, ["", "", *["n"] * (len(heads) - 2)], links=[*links, ""])


def _anchor(place: int) -> str:
    return f"group-{place + 1}"


def _section(place: int, group: Inspected, reasons: Sequence[str]) -> str:
    name = f"{escape(group.corpus)}, {escape(group.lang1)}-{escape(group.lang2)}"
    found = f", {group.dropped:,} found by a filter" if group.dropped else ""
    parts = [
        f"<details><summary><strong>{name}</strong>: {group.pairs:,} pairs{found}</summary>",
        # Within what is closed: a browser opens it for a link.
        f'<h2 id="{_anchor(place)}">{name}</h2>',
    ]
    for code, lengths, kind in zip((group.lang1, group.lang2), group.lengths, ("one", "two"), strict=True):
        parts.append(_histogram(f"length, {code}", LENGTH_EDGES, lengths.tolist(), kind))
    if group.cosines is not None:
        parts.append(_histogram("cosine", COSINE_EDGES, group.cosines.tolist(), "one"))
    languages = [group.lang1, group.lang2]
    parts += ["<h3>A sample</h3>", _table(languages, group.sample, ["s", "s"])]
    for reason in reasons:
        if group.hits[reason]:
            share = group.hits[reason] / group.pairs
            parts.append(f"<h3>{escape(reason)}: {group.hits[reason]:,} ({share:.2%})</h3>")
            parts.append(_table(languages, group.examples[reason], ["s", "s"]))
    return "\n".join([*parts, "</details>"])


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[str], links: Sequence[str] = ()
) -> str:
    """Make a table; a link, where one is given and not empty, is that of a row's first cell."""

    def line(cells: Sequence[str], tag: str, link: str = "") -> str:
        texts = list(map(escape, cells))
        if link:
            texts[0] = f'<a href="{link}">{texts[0]}</a>'
        marked = zip(texts, kinds, strict=True)
        return "".join(f'<{tag} class="{kind}" dir="auto">{text}</{tag}>' for text, kind in marked)

    body = "\n".join(
        f"<tr>{line(row, 'td', link)}</tr>" for row, link in zip_longest(rows, links, fillvalue="")
    )
    return f'<div class="wide"><table><tr>{line(heads, "th")}</tr>\n{body}\n</table></div>'


def _histogram(name: str, edges: Sequence[float], counts: Sequence[int], kind: str) -> str:
    width = len(counts) * (_BAR + _GAP) + _GAP
    highest = max([*counts, 1])
    marks = []
    for place, (edge, count) in enumerate(zip(edges, counts, strict=True)):
        left = _GAP + place * (_BAR + _GAP)
        height = _HEIGHT * count / highest
        marks.append(
            f'<rect class="{kind}" x="{left}" y="{_HEIGHT - height:.1f}" width="{_BAR}" height="{height:.1f}">'
            f"<title>from {edge:g}: {count:,}</title></rect>"
        )
        if place % 3 == 0:
            marks.append(f'<text x="{left}" y="{_HEIGHT + 12}">{edge:g}</text>')
    return (
        f'<figure><svg role="img" aria-label="{escape(name)}" width="{width}" height="{_HEIGHT + 16}">'
        f'<line x1="0" x2="{width}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>{"".join(marks)}</svg>'
        f"<figcaption>{escape(name)}</figcaption></figure>"
    )
