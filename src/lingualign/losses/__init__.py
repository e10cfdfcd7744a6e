"""The paper's loss and its baselines.

`equations` holds Eq. 2 to 7 as pure functions; the other modules wrap them as sentence-transformers losses.
Nothing here knows where teacher vectors come from: they arrive as the ``label`` column of a batch. Losses
over a whole batch share `in_batch`, which fits any batch size into memory, and `gather`, which compares
sentences across devices.
"""

from lingualign.losses.distillation import DistillationLoss
from lingualign.losses.ranking import TranslationRankingLoss
from lingualign.losses.soft_contrastive import SoftContrastiveLoss

__all__ = ["DistillationLoss", "SoftContrastiveLoss", "TranslationRankingLoss"]
