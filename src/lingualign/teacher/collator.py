"""Put the teacher's vectors beside a batch, for any sentence-transformers training script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

from lingualign.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lingualign.teacher.store import TeacherStore

ROW = "row"


@dataclass
class TeacherCollator(SentenceTransformerDataCollator):
    """Collate text columns as sentence-transformers does, and add ``label``: the teacher's vectors.

    The dataset has text columns only, the anchor first. ``label`` is float32 of shape (batch, views,
    dimensions): the teacher's vectors of the first text column (``views=1``, the priority label), or of
    the first two (``views=2``, the average label).

    Where the dataset has a column ``row`` of rows in the store (one number, or one a view), it is used
    instead of looking the texts up.

    Parameters
    ----------
    preprocess_fn
        ``model.preprocess`` of the student. Prompts, a router mapping and a maximum length for training are
        given to this collator too: the trainer hands its own only to a collator that it makes itself.
    store
        The store, with every sentence of these columns in it.
    views
        1 or 2.

    Examples
    --------
    >>> SentenceTransformerTrainer(
    ...     model=model, train_dataset=pairs, loss=loss,
    ...     data_collator=TeacherCollator(preprocess_fn=model.preprocess, store=store),
    ... )  # doctest: +SKIP
    """

    store: TeacherStore = field(kw_only=True)
    views: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if self.views not in (1, 2):
            raise InputError(f"views is {self.views!r}: it must be 1 (priority label) or 2 (average label)")

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Collate one batch.

        Raises
        ------
        InputError
            If a sentence is not in the store, the dataset brings labels of its own, or has too few columns.
        """
        if not features:
            return {}
        if labels := sorted(set(self.valid_label_columns) & set(features[0])):
            raise InputError(
                f"the dataset has the label column {labels[0]!r}, where TeacherCollator puts the teacher's "
                "vectors: remove that column"
            )
        texts = [{name: value for name, value in each.items() if name != ROW} for each in features]
        rows = self._given_rows(features) if ROW in features[0] else self._looked_up_rows(texts)
        vectors = self.store[rows].astype(np.float32).reshape(*rows.shape, -1)
        batch: dict[str, Any] = super().__call__(texts)
        batch["label"] = torch.from_numpy(vectors)
        return batch

    def _looked_up_rows(self, features: list[dict[str, Any]]) -> NDArray[np.int64]:
        columns = [name for name in features[0] if name != "dataset_name"][: self.views]
        if len(columns) < self.views:
            raise InputError(f"views is {self.views}, but the dataset has only the text columns {columns}")
        sentences = [each[column] for each in features for column in columns]
        return self.store.rows(sentences).reshape(-1, self.views)

    def _given_rows(self, features: list[dict[str, Any]]) -> NDArray[np.int64]:
        rows = np.asarray([each[ROW] for each in features], dtype=np.int64).reshape(len(features), -1)
        if rows.shape[1] != self.views:
            raise InputError(f"views is {self.views}, but the column {ROW!r} has {rows.shape[1]} rows a pair")
        return rows
