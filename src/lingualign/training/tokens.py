"""Token ids of every sentence, made once: neither an epoch nor the next run costs a tokeniser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lingualign.embedding.models import prompt_of
from lingualign.errors import InputError
from lingualign.progress import progress_bar
from lingualign.training.token_files import Tokens, kept, tokens_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

_CHUNK = 8_192


class TokenIds:
    """The token ids of sentences, end to end, and batches of them as a model takes them.

    Parameters
    ----------
    model
        The student; its own preprocessing makes the ids, special tokens and truncation included.
    sentences
        Any number of sentences; row i of a batch is ``sentences[i]``.
    prompt
        Text put before each. None takes the model's own default prompt, ``""`` is no prompt.
    folder
        Where the ids of earlier runs are found and these are kept, as `lingualign.training.token_files` has it; in
        memory alone where None.
    progress
        Progress bar: whether to show one.

    Raises
    ------
    InputError
        If the student takes anything but token ids.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        sentences: Sequence[str],
        *,
        prompt: str | None = None,
        folder: Path | None = None,
        progress: bool = False,
    ) -> None:
        text = prompt_of(model, prompt)

        def make() -> Tokens:
            return _tokenise(model, sentences, text, progress)

        name = tokens_name(model, sentences, text) if folder is not None else None
        tokens = make() if folder is None or name is None else kept(folder, name, len(sentences), make)
        self._ids, self._starts = tokens.ids, tokens.starts
        self.flat, self._prompt_length = tokens.flat, tokens.prompt_length
        self._tokenizer = model.tokenizer

    def __len__(self) -> int:
        return len(self._starts) - 1

    def lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens of each of these sentences."""
        lengths: NDArray[np.int64] = self._starts[rows + 1] - self._starts[rows]
        return lengths

    def features(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Make the model's input of these sentences: flat ids and offsets, or padded to the longest of them."""
        lengths = self.lengths(rows)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        # Positions of all tokens of all rows: each row's start, repeated, plus a count that restarts with each row.
        places = np.arange(starts[-1]) + np.repeat(self._starts[rows] - starts[:-1], lengths)
        ids = torch.from_numpy(self._ids[places].astype(np.int64))
        # For poolers that leave the prompt out.
        more: dict[str, Any] = {} if self._prompt_length is None else {"prompt_length": self._prompt_length}
        if self.flat:
            return {"input_ids": ids, "offsets": torch.from_numpy(starts[:-1]), **more}
        width = int(lengths.max(initial=1))
        mask = torch.arange(width)[None, :] < torch.from_numpy(lengths)[:, None]
        if self._tokenizer.padding_side == "left":
            mask = mask.flip(1)
        padded = torch.full(mask.shape, self._tokenizer.pad_token_id or 0)
        padded[mask] = ids
        return {"input_ids": padded, "attention_mask": mask.long(), **more}


def _tokenise(model: SentenceTransformer, sentences: Sequence[str], prompt: str, progress: bool) -> Tokens:
    parts: list[NDArray[np.int32]] = []
    lengths: list[NDArray[np.int64]] = []
    features: dict[str, Any] = {}
    with progress_bar("Tokenising", len(sentences), enabled=progress) as advance:
        for start in range(0, len(sentences), _CHUNK):
            chunk = list(sentences[start : start + _CHUNK])
            features = model.preprocess(chunk, prompt=prompt or None)
            ids = features.get("input_ids")
            if ids is not None and "offsets" in features:
                ends = torch.cat([features["offsets"], torch.tensor([len(ids)])])
                parts.append(ids.numpy().astype(np.int32))
                lengths.append(np.diff(ends.numpy()))
            elif ids is not None and "attention_mask" in features and ids.ndim == 2:
                mask = features["attention_mask"].bool()
                parts.append(ids[mask].numpy().astype(np.int32))
                lengths.append(mask.sum(1).numpy())
            else:
                raise InputError(
                    f"student: {type(model[0]).__name__} gives features {sorted(features)}; training needs "
                    "input_ids with an attention_mask or offsets, as text encoders have them"
                )
            advance(len(chunk))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return Tokens(np.concatenate(parts), starts, "offsets" in features, features.get("prompt_length"))
