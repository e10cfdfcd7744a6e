"""Training: a configuration in, a plain sentence-transformers model out.

`train` is the recipe. `AlignmentTrainer` is the host's trainer with batches from one language pair each,
`epoch_batches` says which pairs make up each batch, `TokenIds` keeps every sentence's token ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.pairs.config import PairsConfig
    from lingualign.training.config import (
        EarlyStoppingConfig,
        LoraConfig,
        RunConfig,
        TeacherConfig,
        TrainingConfig,
    )
    from lingualign.training.kinds import LossConfig, StudentConfig
    from lingualign.training.train import Trained, train

__all__ = [
    "EarlyStoppingConfig",
    "LoraConfig",
    "LossConfig",
    "PairsConfig",
    "RunConfig",
    "StudentConfig",
    "TeacherConfig",
    "Trained",
    "TrainingConfig",
    "train",
]

lazy_face(__name__)
