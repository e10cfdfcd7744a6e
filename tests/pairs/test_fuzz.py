"""A few seconds of what ``fuzz_readers.py`` does for longer."""

from __future__ import annotations

from fuzz_readers import fuzz, seeds


def test_nothing_but_an_explanation_comes_out_of_a_broken_file() -> None:
    assert seeds()
    assert fuzz(3) >= 500
