"""The networks of LASER2, a bidirectional LSTM, and of LASER3, a transformer for each language distilled from it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST = 2
"""Position of a sentence's first token: fairseq skips positions up to the id of the padding, 1."""
_LEFT_OUT = {"version", "embed_positions._float_tensor", "embed_positions.weights"}
"""Entries among published weights that are not weights."""
_PARTS = {
    "self_attn_layer_norm": "norm1",
    "fc1": "linear1",
    "fc2": "linear2",
    "final_layer_norm": "norm2",
}
"""fairseq's names within a layer, and torch's if they differ."""

_ALLOWED: dict[str, Callable[[Any], bool]] = {
    "encoder_attention_heads": lambda heads: type(heads) is int and heads > 0,
    "encoder_normalize_before": lambda first: type(first) is bool,
    "prepend_bos": lambda start: type(start) is bool,
    "sentemb_criterion": lambda pooling: pooling in ("maxpool", "cls"),
}


class Laser2(torch.nn.Module):
    """Token embeddings, a bidirectional LSTM of several layers, and the largest value of each dimension.

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
        """Width of both directions together."""
        return self.lstm.hidden_size * (2 if self.lstm.bidirectional else 1)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode (batch, tokens), padded behind, the longest first, to (batch, dimensions)."""
        packed = pack_padded_sequence(self.embed_tokens(ids), lengths, batch_first=True)
        # Padding must never be the largest.
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, padding_value=float("-inf"))
        return states.amax(dim=1)


class Laser3(torch.nn.Module):
    """Token embeddings and sinusoids, layers of attention, and the largest value of each dimension, or the start's.

    Parameters
    ----------
    weights
        Weights of the encoder under fairseq's names; layers and widths follow from them.
    settings
        Settings of fairseq's configuration: ``encoder_attention_heads``, ``encoder_normalize_before``, ``prepend_bos``
        and ``sentemb_criterion``, which is ``maxpool`` or ``cls``.

    Raises
    ------
    LookupError, TypeError, ValueError, RuntimeError
        If weights or settings are not of this form.

    References
    ----------
    Vaswani et al. (2017), "Attention Is All You Need"; Heffernan, Çelebi and Schwenk (2022), "Bitext Mining Using
    Distilled Sentence Representations for Low-Resource Languages", for LASER3. Its form is what the package
    laser_encoders makes of a published file.
    """

    needs = "'embed_tokens.weight' and 'layers....' of an encoder, with its settings in the metadata"
    longest = 4_096
    """Maximum tokens of a sentence: attention takes memory by their square. The model was trained on far fewer."""

    def __init__(self, weights: dict[str, torch.Tensor], settings: dict[str, Any]) -> None:
        super().__init__()
        for name, allowed in _ALLOWED.items():
            if not allowed(told := settings.get(name)):
                raise ValueError(f"setting {name} is {told!r}")
        self.prepends_start: bool = settings["prepend_bos"]
        self._of_start = settings["sentemb_criterion"] == "cls"
        if self._of_start and not self.prepends_start:
            raise ValueError("sentemb_criterion is cls, but prepend_bos is false")
        table = weights["embed_tokens.weight"]
        count, self.dimensions = table.shape
        heads = settings["encoder_attention_heads"]
        if self.dimensions < 4 or self.dimensions % heads:
            raise ValueError(f"{heads} heads for {self.dimensions} dimensions")
        inner = len(weights["layers.0.fc1.weight"])
        layers = len({name.split(".")[1] for name in weights if name.startswith("layers.")})
        with torch.device("meta"):
            self.embed_tokens = torch.nn.Embedding(count, self.dimensions)
            self.layers = torch.nn.ModuleList(
                torch.nn.TransformerEncoderLayer(
                    self.dimensions,
                    heads,
                    inner,
                    dropout=0.0,
                    batch_first=True,
                    norm_first=settings["encoder_normalize_before"],
                )
                for _ in range(layers)
            )
            # Independent of the layers: a task beside the distillation may have left one.
            self.layer_norm = (
                torch.nn.LayerNorm(self.dimensions) if "layer_norm.weight" in weights else torch.nn.Identity()
            )
        self.load_state_dict(_torch_names(weights), assign=True)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode (batch, tokens), padded behind, to (batch, dimensions)."""
        beyond = torch.arange(ids.shape[1], device=ids.device) >= lengths.to(ids.device)[:, None]
        states: torch.Tensor = self.embed_tokens(ids) * math.sqrt(self.dimensions)
        states = states + sinusoids(ids.shape[1], self.dimensions).to(ids.device)
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=beyond)
        states = self.layer_norm(states)
        if self._of_start:
            return states[:, 0]
        return states.masked_fill(beyond[..., None], float("-inf")).amax(dim=1)


def sinusoids(count: int, width: int) -> torch.Tensor:
    """Return the first positions' embeddings, (count, width): the sines of all frequencies, then their cosines."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * -(math.log(10_000) / (half - 1)))
    angles = torch.arange(_FIRST, _FIRST + count)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos(), angles.new_zeros(count, width % 2)], dim=1)


def _torch_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename weights to torch's names, and join queries, keys and values."""
    named = {}
    for name, tensor in weights.items():
        within = re.fullmatch(r"(layers\.\d+\.)(.+)\.(weight|bias)", name)
        if within is None:
            if name not in _LEFT_OUT:
                named[name] = tensor
            continue
        layer, part, kind = within.groups()
        if part == "self_attn.q_proj":
            three = [weights[f"{layer}self_attn.{each}_proj.{kind}"] for each in "qkv"]
            named[f"{layer}self_attn.in_proj_{kind}"] = torch.cat(three)
        elif part not in ("self_attn.k_proj", "self_attn.v_proj"):
            named[f"{layer}{_PARTS.get(part, part)}.{kind}"] = tensor
    return named
