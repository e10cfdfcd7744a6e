"""Tables in which a name is shown as it is, whatever signs it has."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lingualign.evaluation import print_scores


def scored(kind, **more):
    figures = ("accuracy", "forward", "backward", "f1", "xsim", "xsim_margin", "spearman", "pearson")
    return {"kind": kind, "rows": 10, **dict.fromkeys(figures, 0.5), "ci95": [0.4, 0.6], **more}


@pytest.mark.parametrize("sign", ["[fr]", "[/fr]", "[/]", "[red]", r"\[fr]", ":cat:", "[link=x]"])
def test_names_are_not_read_as_markup(sign):
    mining = {"mined": 9, "f1": 0.5, "ci95": [0.4, 0.6], "precision": 0.5, "recall": 0.5, "threshold": 1.1}
    names = {name: f"{sign}/{name}" for name in ("bitext", "mining", "nway", "sts", "pair", "group")}
    scores = {
        "model": {"name": "model", "dimensions": 8, "prompt": ""},
        "suites": {
            names["bitext"]: scored("bitext", space={"hubness": 0.5, "hubness_ci95": [0.4, 0.6]}),
            names["mining"]: scored("mining", mining=mining),
            names["nway"]: scored("nway", pairs={names["pair"]: scored("nway")}, mean=scored("nway")),
            names["sts"]: scored("sts"),
        },
        "means": {names["group"]: {"accuracy": 0.5, "ci95": {"accuracy": [0.4, 0.6]}}},
    }
    console = Console(file=io.StringIO(), width=120)
    print_scores(scores, console)
    lines = console.file.getvalue().replace(", n-way", "  ").splitlines()
    starts = [line.strip().split("  ")[0] for line in lines]
    for name, shown in names.items():
        # Scores and the space; scores and what is mined.
        assert starts.count(shown) == {"bitext": 2, "mining": 2}.get(name, 1), shown
