"""LASER2, the encoder of LASER for about a hundred languages, from weights in safetensors."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.embedding.encoders.laser_tokenizer import END, PADDING, UNKNOWN, LaserTokenizer
from lingualign.embedding.encoders.protocol import LASER, unit
from lingualign.errors import InputError
from lingualign.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from numpy.typing import NDArray

WEIGHTS, PIECES = "laser2.safetensors", "laser2.spm"

_CHUNK = 8_192
_BATCH_TOKENS = 12_000
"""Of a batch, padding included."""
_CURE = "docs/evaluation.md says how to make it of LASER's laser2.pt and laser2.spm"


class LaserEncoder:
    """Token embeddings, a bidirectional LSTM of several layers, and of each dimension the largest value.

    Parameters
    ----------
    folder
        Holds ``laser2.safetensors``, the published weights under their names, with the dictionary as JSON under
        ``dictionary`` in the file's metadata; and ``laser2.spm``. Layers and widths follow from the weights.
    prompt
        Put before every sentence; none by default.
    device
        As of `open_encoder`.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another form, or a package is not installed.

    References
    ----------
    Artetxe and Schwenk (2019), "Massively Multilingual Sentence Embeddings for Zero-Shot Cross-Lingual Transfer and
    Beyond", for the architecture; Heffernan, Celebi and Schwenk (2022) for LASER2.
    """

    precision = "fp32"

    def __init__(self, folder: str, *, prompt: str | None = None, device: str | None = None) -> None:
        import torch

        from lingualign.embedding.models import check_device

        check_device(device)
        self.name = LASER + folder
        self._prompt_from = "none" if prompt is None else "option"
        self.prompt = prompt or ""
        self._files = [Path(folder).expanduser() / name for name in (WEIGHTS, PIECES)]
        for file in self._files:
            if not file.is_file():
                raise InputError(f"model {self.name!r}: no file {file}; {_CURE}")
        weights, dictionary = _read(self._files[0])
        self.tokenizer = LaserTokenizer(self._files[1], dictionary)
        self._embedding, self._lstm = _modules(self._files[0], weights, dictionary)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._embedding.to(self.device)
        self._lstm.to(self.device)

    @property
    def dimensions(self) -> int:
        """Of both directions of the LSTM together."""
        return self._lstm.hidden_size * (2 if self._lstm.bidirectional else 1)

    @cached_property
    def fingerprint(self) -> str:
        """Of both files."""
        return hashlib.sha256("\n".join(map(sha256_of, self._files)).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Give the kind and who decided on the prompt."""
        return {"kind": "laser", "prompt_from": self._prompt_from}

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Encode in batches of like length, the longest of some thousand sentences first."""
        for start in range(0, len(sentences), _CHUNK):
            texts = [self.prompt + sentence for sentence in sentences[start : start + _CHUNK]]
            tokens = [[*ids, END] for ids in self.tokenizer(texts)["input_ids"]]
            order = np.argsort([-len(ids) for ids in tokens], kind="stable")
            first = 0
            while first < len(order):
                most = max(1, _BATCH_TOKENS // len(tokens[order[first]]))
                rows = order[first : first + most]
                vectors = self._forward([tokens[row] for row in rows])
                if not np.isfinite(vectors).all():
                    raise InputError(
                        f"model {self.name!r} gives NaN or infinite values: its weights are damaged"
                    )
                yield start + rows, unit(vectors)
                first += len(rows)

    def _forward(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        """Encode a batch, the longest sentence first."""
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

        ids = pad_sequence([torch.tensor(each) for each in tokens], batch_first=True, padding_value=PADDING)
        with torch.inference_mode():
            packed = pack_padded_sequence(
                self._embedding(ids.to(self.device)), [len(each) for each in tokens], batch_first=True
            )
            # What stands behind a sentence's end must never be the largest.
            states, _ = pad_packed_sequence(
                self._lstm(packed)[0], batch_first=True, padding_value=float("-inf")
            )
            vectors: NDArray[np.float32] = states.amax(dim=1).float().cpu().numpy()
        return vectors


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, int]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            told = (file.metadata() or {}).get("dictionary")
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is no file of safetensors, or a damaged one ({error})") from None
    try:
        dictionary = json.loads(told or "")
    except (ValueError, RecursionError):
        raise InputError(f"{path}: no dictionary in its metadata; {_CURE}") from None
    if not isinstance(dictionary, dict) or not all(type(place) is int for place in dictionary.values()):
        raise InputError(
            f"{path}: the dictionary in its metadata does not give a number for each piece; {_CURE}"
        )
    return weights, dictionary


def _modules(
    path: Path, weights: dict[str, torch.Tensor], dictionary: dict[str, int]
) -> tuple[torch.nn.Embedding, torch.nn.LSTM]:
    """Make embedding and LSTM of the form that the weights have."""
    import torch

    try:
        table = weights["embed_tokens.weight"]
        layers = sum(
            name.startswith("lstm.weight_ih_l") and not name.endswith("_reverse") for name in weights
        )
        with torch.device("meta"):
            embedding = torch.nn.Embedding(table.shape[0], table.shape[1])
            lstm = torch.nn.LSTM(
                table.shape[1],
                weights["lstm.weight_hh_l0"].shape[1],
                num_layers=layers,
                bidirectional="lstm.weight_ih_l0_reverse" in weights,
                batch_first=True,
            )
        embedding.load_state_dict({"weight": table}, assign=True)
        rest = {name: tensor for name, tensor in weights.items() if name != "embed_tokens.weight"}
        lstm.load_state_dict(
            {name.removeprefix("lstm."): tensor for name, tensor in rest.items()}, assign=True
        )
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} does not hold the weights of LASER2, 'embed_tokens.weight' and 'lstm....' ({reason[:200]})"
        ) from None
    if len(table) <= UNKNOWN:
        raise InputError(f"{path}: {len(table)} embeddings are fewer than LASER has special pieces")
    outside = [piece for piece, place in dictionary.items() if not 0 <= place < len(table)]
    if outside:
        raise InputError(
            f"{path}: its dictionary gives {outside[0]!r} the number {dictionary[outside[0]]}, but there are "
            f"{len(table):,} embeddings"
        )
    return embedding.eval(), lstm.eval()
