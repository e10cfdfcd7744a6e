"""Real sentences in five languages, and the static student they make."""

from __future__ import annotations

import pytest

LANGUAGES = ("en", "fr", "ja", "ko", "ru")
PER_CORPUS = 1500


@pytest.fixture(scope="session")
def sentences(data) -> dict[str, list[str]]:
    """A few thousand real sentences a language: everyday ones and long ones."""
    import pyarrow.parquet as pq

    found: dict[str, list[str]] = {code: [] for code in LANGUAGES}
    for corpus in ("tatoeba", "bible", "quran"):
        for path in sorted((data / "train" / corpus).glob("en-*.parquet")):
            table = pq.read_table(path).slice(0, PER_CORPUS).to_pydict()
            for side in ("1", "2"):
                found[table[f"lang{side}"][0]] += table[f"sentence{side}"]
    return found


@pytest.fixture(scope="session")
def student(minilm, sentences):
    from lingualign.student import static_student

    return static_student(minilm, sentences, anchor="en", vocabulary=5000, seed=3)
