"""The options of a model: how commands and functions are told to encode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["auto", "bf16", "fp32"]
Pooling = Literal["mean", "cls", "last"]


@dataclass(frozen=True)
class EncoderOptions:
    """How a model turns sentences into vectors.

    Parameters
    ----------
    prompt
        Text put before every sentence, such as "query: " for E5; the model's own default prompt where absent.
    pooling
        How a plain transformer makes a sentence's vector of its tokens'; mean by default.
    device
        Where the model runs, such as cpu or cuda:1; the best there is by default.
    """

    prompt: str | None = None
    pooling: Pooling | None = None
    device: str | None = None


@dataclass(frozen=True)
class ModelOptions(EncoderOptions):
    """How a model turns sentences into vectors, and in which arithmetic.

    Parameters
    ----------
    precision
        Of the model's arithmetic; auto is bf16 where the processor has instructions for it.
    """

    precision: Precision = "auto"
