"""Options of a model, for commands and functions that encode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["auto", "bf16", "fp32"]
Pooling = Literal["mean", "cls", "last"]


@dataclass(frozen=True)
class EncoderOptions:
    """Options of a model that turns sentences into vectors.

    Parameters
    ----------
    prompt
        Text put before every sentence, such as "query: " for E5; the model's own default prompt where absent.
    pooling
        Pooling of token vectors in a plain transformer; mean by default.
    device
        Device that the model runs on, such as cpu or cuda:1; by default the best available.
    """

    prompt: str | None = None
    pooling: Pooling | None = None
    device: str | None = None


@dataclass(frozen=True)
class ModelOptions(EncoderOptions):
    """Options of `EncoderOptions`, and the precision.

    Parameters
    ----------
    precision
        Precision of the arithmetic; auto is bf16 if the processor has instructions for it.
    """

    precision: Precision = "auto"
