"""LASER2 for about a hundred languages, and LASER3 for one each, from weights in safetensors."""

from __future__ import annotations

import hashlib
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.embedding.encoders.sentence_encoder import unit
from lingualign.embedding.models import check_device
from lingualign.errors import InputError, first_line
from lingualign.store import read_json, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from numpy.typing import NDArray

    from lingualign.embedding.encoders.laser_networks import Laser2, Laser3
    from lingualign.embedding.options import ModelOptions

LASER = "laser:"
"""Prefix before the folder."""
LASER_NAMES = {"laser", "laser2", "laser3"}
START, PADDING, END, UNKNOWN = 0, 1, 2, 3
"""Ids that LASER fixes, independent of its dictionary."""
_SPECIAL = {"<s>": START, "<pad>": PADDING, "</s>": END, "<unk>": UNKNOWN}
_SINGLE_QUOTES = ("‘", "‚", "’")
_CHUNK = 8_192
_BATCH_TOKENS = 12_000
"""Tokens of a batch, including padding."""
_CURE = "docs/evaluation.md says how to make it of LASER's published files"


class LaserEncoder:
    """Encoder of LASER2 or LASER3, from a folder with text preparation and network.

    Parameters
    ----------
    name
        ``laser:`` before a folder with ``laser2.safetensors`` and ``laser2.spm``, or the same of ``laser3``. The first
        holds the published weights under their names, and in its metadata the dictionary as JSON under ``dictionary``
        and for LASER3 the settings under ``settings`` (see `Laser3`). The second is the published sentencepiece model.
    options
        Options, of which the prompt and the device apply.

    Raises
    ------
    InputError
        If the name has no folder, or a file is missing, damaged or of another form.
    """

    precision = "fp32"

    def __init__(self, name: str, options: ModelOptions) -> None:
        import torch

        if not name.startswith(LASER):
            raise InputError(
                f"model {name!r}: LASER is no model of the hub. Give {LASER}FOLDER, a folder with laser2.safetensors "
                "and laser2.spm, or those of laser3: docs/evaluation.md says how to make it"
            )
        check_device(options.device)
        self.name = name
        self._prompt_from = "none" if options.prompt is None else "option"
        self.prompt = options.prompt or ""
        self._files = _files(Path(name.removeprefix(LASER)).expanduser(), name)
        weights, told = _read(self._files[0])
        network = _network(self._files[0], weights, told)
        dictionary = _dictionary(self._files[0], told, network.embed_tokens.num_embeddings)
        self.tokenizer = LaserTokenizer(self._files[1], dictionary)
        self.device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._network = network.to(self.device)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._network.dimensions

    @cached_property
    def fingerprint(self) -> str:
        """Digest of both files."""
        return hashlib.sha256("\n".join(map(sha256_of, self._files)).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return the kind and the origin of the prompt."""
        return {"kind": "laser", "prompt_from": self._prompt_from}

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Encode in batches of similar length, the longest of some thousand sentences first."""
        begin = [START] if self._network.prepends_start else []
        longest = self._network.longest
        for start in range(0, len(sentences), _CHUNK):
            texts = [self.prompt + sentence for sentence in sentences[start : start + _CHUNK]]
            tokens = [[*begin, *ids[:longest], END] for ids in self.tokenizer(texts)["input_ids"]]
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
        """Encode a batch that begins with its longest sentence."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        ids = pad_sequence([torch.tensor(each) for each in tokens], batch_first=True, padding_value=PADDING)
        lengths = torch.tensor([len(each) for each in tokens])
        with torch.inference_mode():
            vectors: NDArray[np.float32] = self._network(ids.to(self.device), lengths).cpu().numpy()
        return vectors


def _files(folder: Path, model: str) -> tuple[Path, Path]:
    """Return the files of weights and pieces, of LASER2 or LASER3."""
    held = [kind for kind in ("laser2", "laser3") if (folder / f"{kind}.safetensors").exists()]
    if len(held) > 1:
        raise InputError(f"model {model!r}: {folder} holds LASER2 and LASER3: give each a folder of its own")
    kind = held[0] if held else ("laser3" if (folder / "laser3.spm").exists() else "laser2")
    files = folder / f"{kind}.safetensors", folder / f"{kind}.spm"
    for file in files:
        if not file.is_file():
            raise InputError(f"model {model!r}: no file {file}; {_CURE}")
    return files


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read the weights and the metadata of a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            return weights, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is no file of safetensors, or a damaged one ({error})") from None


def _network(path: Path, weights: dict[str, torch.Tensor], told: dict[str, str]) -> Laser2 | Laser3:
    """Return the network for the weights."""
    from lingualign.embedding.encoders.laser_networks import Laser2, Laser3

    kind = Laser3 if path.stem == "laser3" else Laser2
    try:
        settings = read_json(told.get("settings", "{}"))
        if not isinstance(settings, dict):
            raise TypeError(f"settings are {settings!r}")
        network = kind(weights, settings)
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} does not hold the weights of {path.stem.upper()}, {kind.needs} ({reason[:200]}); {_CURE}"
        ) from None
    return network.eval()


def _dictionary(path: Path, told: dict[str, str], embeddings: int) -> dict[str, int]:
    """Read the id of each piece, and check that it has an embedding."""
    try:
        dictionary = read_json(told.get("dictionary", ""))
    except ValueError:
        raise InputError(f"{path}: no dictionary in its metadata; {_CURE}") from None
    if not isinstance(dictionary, dict) or not all(type(place) is int for place in dictionary.values()):
        raise InputError(
            f"{path}: the dictionary in its metadata does not give a number for each piece; {_CURE}"
        )
    if embeddings <= UNKNOWN:
        raise InputError(f"{path}: {embeddings} embeddings are fewer than LASER has special pieces")
    outside = [piece for piece, place in dictionary.items() if not 0 <= place < embeddings]
    if outside:
        raise InputError(
            f"{path}: its dictionary gives {outside[0]!r} the number {dictionary[outside[0]]}, but there are "
            f"{embeddings:,} embeddings"
        )
    return dictionary


class LaserTokenizer:
    """Punctuation in the form of Moses, lower case, pieces of sentencepiece, and their ids in LASER's own dictionary.

    As in the package laser_encoders: characters that are not printed become spaces, punctuation follows the rules for
    English in every language, and single quotation marks become double ones, as they do in Moses itself.

    Parameters
    ----------
    pieces
        The model of sentencepiece.
    dictionary
        The id of each piece.

    Raises
    ------
    InputError
        If the file is no model of sentencepiece.
    """

    unk_token_id = UNKNOWN

    def __init__(self, pieces: Path, dictionary: dict[str, int]) -> None:
        from sacremoses import MosesPunctNormalizer
        from sentencepiece import SentencePieceProcessor

        self._normalizer = MosesPunctNormalizer("en", perl_parity=True)
        self._normalizer.substitutions = [
            (mark, '"' if mark in _SINGLE_QUOTES else instead)
            for mark, instead in self._normalizer.substitutions
        ]
        try:
            self._pieces = SentencePieceProcessor(model_proto=pieces.read_bytes())
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"{pieces} is no model of sentencepiece, or a damaged one ({first_line(error)})"
            ) from None
        self._dictionary = dictionary | _SPECIAL

    def __call__(self, texts: Sequence[str], **_: Any) -> dict[str, list[list[int]]]:
        """Return the ids of each text under ``input_ids``, without the end that the encoder adds.

        Options of other tokenizers have no effect: there is no longest text.
        """
        return {"input_ids": [self._ids(text) for text in texts]}

    def _ids(self, text: str) -> list[int]:
        printed = "".join(" " if unicodedata.category(each)[0] == "C" else each for each in text)
        pieces = self._pieces.encode(self._normalizer.normalize(printed).lower(), out_type=str)
        # Joined and split again, as in LASER: this removes a piece that is a space of another kind.
        return [self._dictionary.get(piece, UNKNOWN) for piece in " ".join(pieces).split()]
