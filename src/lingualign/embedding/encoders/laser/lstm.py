"""The network of LASER2: a bidirectional LSTM."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Laser2(torch.nn.Module):
    """Token embeddings, a bidirectional LSTM of several layers, and of each dimension the largest value.

    Parameters
    ----------
    weights
        ``embed_tokens.weight`` and ``lstm....``; layers and widths follow from them.
    settings
        None: LASER2 has no other form.

    Raises
    ------
    LookupError, TypeError, ValueError, RuntimeError
        If the weights are not of this form.

    References
    ----------
    Artetxe and Schwenk (2019), "Massively Multilingual Sentence Embeddings for Zero-Shot Cross-Lingual Transfer and
    Beyond"; Heffernan, Çelebi and Schwenk (2022), "Bitext Mining Using Distilled Sentence Representations for
    Low-Resource Languages", for LASER2.
    """

    needs = "'embed_tokens.weight' and 'lstm....'"
    prepends_start = False
    longest = None
    """Sentences of any length."""

    def __init__(self, weights: dict[str, torch.Tensor], settings: dict[str, Any]) -> None:
        super().__init__()
        if settings:
            raise ValueError(f"settings {settings}, which only LASER3 has")
        table = weights["embed_tokens.weight"]
        with torch.device("meta"):
            self.embed_tokens = torch.nn.Embedding(table.shape[0], table.shape[1])
            self.lstm = torch.nn.LSTM(
                table.shape[1],
                weights["lstm.weight_hh_l0"].shape[1],
                num_layers=sum(
                    name.startswith("lstm.weight_ih_l") and not name.endswith("_reverse") for name in weights
                ),
                bidirectional="lstm.weight_ih_l0_reverse" in weights,
                batch_first=True,
            )
        self.load_state_dict(weights, assign=True)

    @property
    def dimensions(self) -> int:
        """Of both directions together."""
        return self.lstm.hidden_size * (2 if self.lstm.bidirectional else 1)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode (batch, tokens), padded behind, the longest first, to (batch, dimensions)."""
        packed = pack_padded_sequence(self.embed_tokens(ids), lengths, batch_first=True)
        # What stands behind a sentence's end must never be the largest.
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, padding_value=float("-inf"))
        return states.amax(dim=1)
