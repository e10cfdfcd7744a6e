"""A hint for who encodes without a prompt with a model that was trained with one."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

_SHOWN, _CHARACTERS = 3, 40


def hint_at_prompts(model: str, prompts: Mapping[str, str | None]) -> None:
    """Log one line that names the prompts of a model, if it has any; once for each model.

    Parameters
    ----------
    model
        Name of the model, which is about to be used without a prompt that nobody has declined.
    prompts
        Text of each prompt by its name, as the model's configuration has them.
    """
    named = [f"{name}: {_shortened(text)!r}" for name, text in prompts.items() if text]
    if named:
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        _log_once(model, ", ".join(named[:_SHOWN]) + more)


@cache
def _log_once(model: str, named: str) -> None:
    logger.warning(
        "model %r names prompts (%s) and is used without one; choose one with --prompt (in Python prompt=), or give an "
        "empty one if none is meant",
        model,
        named,
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 3]}..."
