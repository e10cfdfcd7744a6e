"""The paper's loss and its baselines.

``equations.py`` holds Eq. 2 to 7 as pure functions; each class here wraps some as a sentence-transformers loss.
Teacher vectors arrive as the ``label`` column of a batch. Losses
over a whole batch share ``in_batch.py``, which fits any batch size into memory, and ``gather.py``, which compares
sentences across devices.
"""

from lingualign.losses.distillation import DistillationLoss
from lingualign.losses.ranking import TranslationRankingLoss
from lingualign.losses.soft_contrastive import SoftContrastiveLoss

__all__ = ["DistillationLoss", "SoftContrastiveLoss", "TranslationRankingLoss"]
