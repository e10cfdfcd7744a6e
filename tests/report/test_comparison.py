"""Comparisons as files: complete, and text that stays text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from xml.dom import minidom

import pytest

from lingualign.errors import InputError
from lingualign.report import save_comparison

LONG = "sentence-transformers/models--org--paraphrase_multilingual é – ≈ #1 ^~"
HOSTILE = "<script>alert('&')</script>_|$%\\{}"


def figure(place, values, **more):
    a, b = list(values)
    ci = {label: None if value is None else [value - 0.02, value + 0.03] for label, value in values.items()}
    undefined = values[b] is None
    found = {
        "a": a,
        "b": b,
        "difference": None,
        "ci95": None,
        "test": None,
        "p": None,
        "q": None,
        "effect": {},
    }
    if not undefined:
        found |= {
            "difference": values[a] - values[b],
            "ci95": [-0.01, 0.04],
            "test": "mcnemar",
            "p": 0.2,
            "q": 0.3,
        }
        found["effect"] = {"cohens_h": 0.1, "odds_ratio": None}
    found |= {"ahead": None, "verdict": "no verdict"}
    return {
        "place": place, "group": place, "suites": [place], "pair": None, "metric": "accuracy",
        "lower_is_better": False, "rows": 1000,
        "models": {label: {"value": values[label], "ci95": ci[label], "seeds": []} for label in values},
        "best": a, "level_with_best": [] if undefined else [b], "comparisons": [found], **more,
    }  # fmt: skip


@pytest.fixture
def comparison():
    model = {"name": HOSTILE, "fingerprint": "f" * 64, "dimensions": 8, "prompt": HOSTILE}
    space = {"isotropy": 0.75, "isotropy_ci95": [0.7, 0.8]}
    mined = {"f1": 0.625, "precision": 0.5, "recall": 0.8125, "mined": 9}
    mined |= {key: [0.4, 0.9] for key in ("ci95", "precision_ci95", "recall_ci95")}
    return {
        "lingualign": "1.2.3",
        "level": 0.05,
        "correction": "Benjamini-Hochberg",
        "models": {"A": [model], HOSTILE: [model]},
        "figures": [
            figure("tatoeba", {"A": 0.912, HOSTILE: 0.888}),
            figure(HOSTILE, {"A": 0.5, HOSTILE: None}),
            figure("tatoeba", {"A": 0.1, HOSTILE: 0.3}, metric="xsim_margin", lower_is_better=True),
        ],
        "mined": {HOSTILE: {"A": [mined], HOSTILE: [mined, {**mined, "precision_ci95": None}]}},
        "spaces": {HOSTILE: {"A": [space], HOSTILE: [space, space]}},
        "verdicts": [f"A is ahead of {HOSTILE}."],
        "warnings": [f"{HOSTILE}, tatoeba: odd\nin two lines"],
    }


def written(comparison, path):
    save_comparison(comparison, path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path.read_text(encoding="utf-8")


def test_json_reads_back(comparison, tmp_path):
    assert json.loads(written(comparison, tmp_path / "c.json")) == comparison


def test_markdown_is_a_table_whose_cells_no_text_breaks(comparison, tmp_path):
    text = written(comparison, tmp_path / "c.md")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in rows} == {5}
    assert "| tatoeba, accuracy | 1,000 | **91.20** | 88.80 ≈ |" in rows
    assert "undefined" in text
    assert "<script" not in text.replace(r"\<script", "")


def test_latex_escapes_every_sign_of_its_own(comparison, tmp_path):
    text = written(comparison, tmp_path / "c.tex")
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    assert r"tatoeba, accuracy & 1000 & \textbf{91.20} & 88.80\rlap{ $\approx$} \\" in body
    assert r"\_\textbar{}\$\%\textbackslash{}\{\}" in body.replace(r"\\", "")
    for line in filter(lambda line: "&" in line, body.splitlines()):
        assert line.replace(r"\&", "").count("&") == 3
    assert all(line.startswith("%") for line in text[: text.index(r"\resizebox")].splitlines())


@pytest.fixture
def options(comparison):
    """Names of which LaTeX would take a part for an option: of a row, and of lines that a heading is broken into."""
    names = json.dumps(comparison).replace('"A"', json.dumps("organisation-a/[abcdefghi]-[b]=*bcdefghijklmn"))
    comparison = json.loads(names)
    (label, _) = comparison["models"]
    places = ["[fr]/x", "* all", " [2em]", "[never closed"]
    comparison["figures"] += [
        figure(place, {label: 0.5, HOSTILE: 0.4}, group=group) for group in ("one", "two") for place in places
    ]
    return comparison


def test_latex_reads_no_name_as_an_option(options, tmp_path):
    text = written(options, tmp_path / "c.tex")
    # What ends a line and what is between two lines look for one, also on the next line.
    ends = re.findall(r"(?:\\\\|\\(?:top|mid)rule|\\addlinespace)\s*([^\s\\])", text)
    assert "{" in ends
    assert not {"[", "*"} & set(ends)
    assert text.count("\n{}[fr]/x, accuracy &") == text.count("\n{}* all, accuracy &") == 2
    (heading,) = (line for line in text.splitlines() if line.startswith("on &"))
    assert re.findall(r"\\\\(\{\}.)", heading) == ["{}[", "{}*"]
    assert "-[b]=" in heading, "within a line it is a sign like others"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
@pytest.mark.parametrize("names", ["long", "options"])
def test_latex_compiles_and_fits_the_page(comparison, options, names, tmp_path):
    text = json.dumps(options if names == "options" else comparison).replace('"A"', json.dumps(LONG))
    save_comparison(json.loads(text), tmp_path / "table.tex")
    (tmp_path / "page.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\noindent\input{table}\end{document}"
    )
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]
    assert "Overfull" not in found.stdout
    assert "Missing character" not in (tmp_path / "page.log").read_text(errors="replace")


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.shown, self.loaded = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loaded += [value for name, value in attributes if name in ("src", "href")]
        assert not any(name.startswith("on") for name, _ in attributes)

    def handle_data(self, data):
        self.shown.append(data)


def test_the_page_is_self_contained_and_shows_text_as_text(comparison, tmp_path):
    text = written(comparison, tmp_path / "c.html")
    page = Page()
    page.feed(text)
    assert "script" not in page.tags
    assert not page.loaded
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text
    assert sum(HOSTILE in shown for shown in page.shown) > 5
    plots = [f"<svg{part.split('</svg>')[0]}</svg>" for part in text.split("<svg")[1:]]
    assert (
        len(plots) == 2 + 3 + 1
    )  # a mark for each model, an axis for each group and metric, one of differences
    marks = [len(minidom.parseString(plot).getElementsByTagName("circle")) for plot in plots]
    assert marks == [1, 1, 2, 1, 2, 2]
    assert "NaN" not in text
    # Of two seeds, each.
    assert text.count("0.750 <span class='quiet'>0.700 to 0.800</span>") == 3
    assert text.count("62.50 <span class='quiet'>40.00 to 90.00</span>") == 3
    assert text.count("50.00 <span class='quiet'>40.00 to 90.00</span>") == 2, "an interval may be undefined"


def test_an_unknown_ending_is_refused(comparison, tmp_path):
    with pytest.raises(InputError, match=r"c\.pdf': expected a file ending in \.json, \.md, \.tex, \.html"):
        save_comparison(comparison, tmp_path / "c.pdf")
    (tmp_path / "c.md").mkdir()
    with pytest.raises(InputError, match=r"cannot be written to .*c\.md: Is a directory; give another file"):
        save_comparison(comparison, tmp_path / "c.md")
