"""Training: a configuration in, a plain sentence-transformers model out.

`train` is the recipe, `RunConfig` the configuration with its sections, and `Trained` the result. ``kinds.py`` holds the
tables of losses and students.
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
