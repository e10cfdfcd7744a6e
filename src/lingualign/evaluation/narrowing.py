"""Suites of some languages only."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.languages import is_language_column, language_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lingualign.evaluation.suites import Suite

logger = logging.getLogger(__name__)


def in_languages(suites: Iterable[Suite], languages: Sequence[str]) -> list[Suite]:
    """Keep what is in some languages, and say what is left out.

    Of an n-way set the columns are narrowed. Of another suite the name tells the languages: ``tatoeba/fra-eng``,
    ``sts/stsb-fr``, ``sts-en-fr/STS17``; one whose name tells none is kept.

    Raises
    ------
    InputError
        If a code is no language's, or nothing is left.
    """
    chosen = {language_code(language) for language in languages}
    kept, left_out = [], []
    for suite in suites:
        if suite.kind == "nway":
            columns = {tag: texts for tag, texts in suite.sentences.items() if language_code(tag) in chosen}
            if len(columns) > 1:
                kept.append(replace(suite, sentences=columns))
                continue
        elif chosen.issuperset(name_languages(suite.name)):
            kept.append(suite)
            continue
        left_out.append(suite.name)
    if not kept:
        raise InputError(
            f"languages {', '.join(languages)}: no suite is in these languages alone; there are {', '.join(left_out)}"
        )
    if left_out:
        logger.warning("not in %s, left out: %s", ", ".join(languages), ", ".join(left_out))
    return kept


def suite_languages(suite: Suite) -> list[str]:
    """Name the languages of a suite: of an n-way set its columns', else those in its name; empty where it has none."""
    if suite.kind == "nway":
        return [language_code(tag) for tag in suite.sentences]
    return name_languages(suite.name)


def name_languages(name: str) -> list[str]:
    """Find the one or two languages, in their order, that a suite's name ends with, or one of its folders', if any."""
    for part in reversed(name.split("/")):
        # A script or a region belongs to the language before it: zh-Hans, pt-BR.
        words = re.split(r"[-.](?![A-Z][a-z]{3}(?![^-.])|[A-Z]{2}(?![^-.]))", part)
        if len(words) > 1 and all(map(is_language_column, words[-2:])):
            return [language_code(word) for word in words[-2:]]
        if is_language_column(words[-1]) and (len(words) > 1 or len(part) == 2):
            return [language_code(words[-1])]
    return []
