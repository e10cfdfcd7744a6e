"""Static models of sentence-transformers, run without it: its import takes longer than encoding most texts.

A sentence's vector is the mean of its tokens' rows in a table.
"""

from __future__ import annotations

from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.embedding.encode import chunks, refuse_not_finite
from lingualign.embedding.encoders.sentence_encoder import hint_at_prompts
from lingualign.embedding.limits import check_model_folder
from lingualign.embedding.models import digest_of
from lingualign.errors import InputError
from lingualign.store import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from lingualign.embedding.encoders.sentence_encoder import PromptFrom

_CHUNK_SENTENCES = 8_192
_MODEL_TYPE = "SentenceTransformer"
_NORMALIZE = {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}


class StaticEncoder:
    """A static model in a folder.

    Parameters
    ----------
    name
        Name for people.
    tokenizer, table
        Tokenizer, and table of shape (tokens, d).
    modules
        Description of the modules as in `lingualign.embedding.fingerprint`.
    truncate_dim
        Number of dimensions of a vector; all of the table's if None.
    own_prompt
        Default prompt of the model's configuration.
    prompt
        Prompt: see `open_encoder`.
    """

    precision = "fp32"

    def __init__(
        self,
        name: str,
        tokenizer: Tokenizer,
        table: torch.Tensor,
        modules: list[dict[str, Any]],
        truncate_dim: int | None,
        own_prompt: str,
        prompt: str | None,
    ) -> None:
        self.name, self.tokenizer = name, tokenizer
        self._table, self._modules, self._truncate_dim = table, modules, truncate_dim
        self.prompt = own_prompt if prompt is None else prompt
        self._prompt_from: PromptFrom = "option"
        if prompt is None:
            self._prompt_from = "model" if own_prompt else "none"

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of `lingualign.embedding.fingerprint` for the model that the library loads."""
        return digest_of(
            self._modules,
            self.tokenizer,
            float("inf"),
            self._truncate_dim,
            {"0.embedding.weight": self._table},
        )

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._table[:, : self._truncate_dim].shape[1])

    def describe(self) -> dict[str, Any]:
        """Return the kind, which is that of the library's models, and the origin of the prompt."""
        return {"kind": "sentence-transformers", "prompt_from": self._prompt_from}

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Encode some thousands of sentences at a time."""
        import torch
        from torch.nn import functional

        for rows in chunks(sentences, _CHUNK_SENTENCES):
            texts = [self.prompt + sentences[row] for row in rows]
            ids = [
                encoded.ids for encoded in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            ]
            lengths = np.fromiter(map(len, ids), np.int64, len(ids))
            tokens = np.fromiter(chain.from_iterable(ids), np.int64, lengths.sum())
            if len(tokens) and tokens.max() >= len(self._table):
                raise InputError(
                    f"model {self.name!r}: its tokenizer gives token {tokens.max()}, but its table has "
                    f"{len(self._table)} rows; its files are damaged, or of two models"
                )
            starts = np.cumsum(lengths) - lengths
            with torch.inference_mode():
                means = functional.embedding_bag(
                    torch.from_numpy(tokens), self._table, torch.from_numpy(starts), mode="mean"
                )
                vectors = functional.normalize(means[:, : self._truncate_dim]).numpy()
            refuse_not_finite(vectors, texts)
            yield rows, vectors


def open_static(name: str, *, prompt: str | None = None) -> StaticEncoder | None:
    """Open the model of a folder if it is a static one, saved by sentence-transformers in safetensors.

    Returns None for any other model and for unreadable files, whose faults the library then reports.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    folder = Path(name).expanduser()
    if (folder / "modules.json").exists():
        check_model_folder(folder)
    try:
        modules = _modules(folder)
        if modules is None:
            return None
        place = folder / _read(folder / "modules.json")[0]["path"]
        tables = load_file(place / "model.safetensors")
        config = _read(folder / "config_sentence_transformers.json")
        prompts, default, truncate_dim = (
            config["prompts"],
            config["default_prompt_name"],
            config.get("truncate_dim"),
        )
        own_prompt = "" if default is None else prompts[default] or ""
        known = (
            config.get("model_type", _MODEL_TYPE) == _MODEL_TYPE
            and all(text is None or isinstance(text, str) for text in prompts.values())
            and (truncate_dim is None or (isinstance(truncate_dim, int) and truncate_dim > 0))
        )
        table, text = tables["embedding.weight"], (place / "tokenizer.json").read_text("utf-8")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError):
        return None
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception:  # tokenizers raises no kind of its own
        return None
    tokenizer.no_padding()
    if not known or len(tables) > 1 or table.ndim != 2 or table.dtype != torch.float32:
        return None
    if prompt is None and not own_prompt:
        hint_at_prompts(name, prompts)
    return StaticEncoder(name, tokenizer, table, modules, truncate_dim, own_prompt, prompt)


def _modules(folder: Path) -> list[dict[str, Any]] | None:
    """Return the description of a folder's modules; None for others than a table and scaling to length 1."""
    described: list[dict[str, Any]] = []
    for module in _read(folder / "modules.json"):
        library, *_, kind = module["type"].split(".")
        if library != "sentence_transformers":
            return None
        described.append({"class": kind, "config": {}})
        if kind == "Normalize":
            file = folder / module["path"] / "config.json"
            described[-1]["config"] = _NORMALIZE | (_read(file) if file.is_file() else {})
    table, scaled = {"class": "StaticEmbedding", "config": {}}, {"class": "Normalize", "config": _NORMALIZE}
    return described if described in ([table], [table, scaled]) else None


def _read(file: Path) -> Any:
    return read_json(file.read_bytes())
