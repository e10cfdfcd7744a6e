"""Heatmaps, whose sentences can be read in any script."""

from __future__ import annotations

import re
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import rc_context, rcParams

from lingualign.report import save_heatmaps

KOREAN = ["고양이가소파위에서잠을자고있다", "우리는내일바다에간다"]
JAPANESE = ["猫はソファーで寝ています。", "お茶を$5 & <3で買った"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawn(tmp_path):
    """Draw between two lists of sentences, and give the page and the text that a reader sees."""

    def draw(anchors, others):
        matrix = np.random.default_rng(0).uniform(-1, 1, size=(len(anchors), len(others)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            path = save_heatmaps(matrix, matrix, (anchors, others), tmp_path / "map.svg")
        # Not comments, in which matplotlib says what its outlines stand for.
        page = ElementTree.parse(path).getroot()
        return page, list(page.iter(f"{SVG}text"))

    return draw


def test_sentences_are_text_in_every_script(drawn):
    shown = [text.text for text in drawn(KOREAN, JAPANESE)[1]]
    # Down both matrices and under the first; under the second.
    assert [shown.count(text) for text in KOREAN] == [3, 3]
    assert [shown.count(text) for text in JAPANESE] == [1, 1]


def test_wide_signs_have_room_on_the_page(drawn):
    # matplotlib of today has wide boxes for signs that its font lacks; of yesterday, narrow ones.
    wide_boxes = {key: False for key in rcParams if key == "font.enable_last_resort"}
    with rc_context(wide_boxes):
        page, texts = drawn(6 * KOREAN, 6 * KOREAN)
    height = float(page.get("viewBox").split()[3])
    labels = [text for text in texts if text.text in KOREAN]
    assert len(labels) == 4 * 12
    for label in labels:
        assert "text-anchor: end" in label.get("style")
        size = float(re.search(r"font-size: ([\d.]+)px", label.get("style"))[1])
        turned = "rotate(-90" in label.get("transform")
        room = height - float(label.get("y")) if turned else float(label.get("x"))
        assert room >= size * len(label.text)


def test_a_long_sentence_is_cut_to_one_line_of_whole_signs(drawn):
    text = "a line\nof several " + 20 * "$"
    shown = [text.text for text in drawn([text, "b"], ["c", "d"])[1]]
    assert shown.count("a line of several $$$$$$$...") == 3
