"""The kinds of encoder, and the choice of one by a name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.embedding.encoders.endpoint import Endpoint
from lingualign.embedding.encoders.laser import LASER, LASER_NAMES, LaserEncoder
from lingualign.embedding.encoders.model2vec import MODEL2VEC, Model2VecEncoder
from lingualign.embedding.encoders.static_encoder import open_static
from lingualign.embedding.encoders.transformer_encoder import TransformerEncoder
from lingualign.embedding.encoders.vector_file import VectorFile
from lingualign.embedding.options import ModelOptions
from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encoders.sentence_encoder import SentenceEncoder
    from lingualign.embedding.options import Pooling, Precision


@dataclass(frozen=True)
class EncoderKind:
    """A kind of encoder that the name of a model may stand for.

    Parameters
    ----------
    form
        Form of the name, in help and docs.
    recognises
        Test of a name that is not a folder's.
    open
        Maker of the encoder, from the name and the options.
    libraries
        Packages whose versions decide the vectors: cached vectors are not used with other versions.
    extra
        Extra of this project that installs the packages of the kind.
    pools
        True if the option ``pooling`` applies.
    keeps
        True if `encode_kept` caches its vectors; those of a file are on disk already.
    """

    form: str
    recognises: Callable[[str], bool]
    open: Callable[[str, ModelOptions], SentenceEncoder]
    libraries: tuple[str, ...] = ()
    extra: str | None = None
    pools: bool = False
    keeps: bool = True


def _open_model(name: str, options: ModelOptions) -> SentenceEncoder:
    """Open a model of sentence-transformers; a static one without that library, whose import takes seconds."""
    plain = (
        options.pooling is None and options.device in (None, "cpu") and options.precision in ("auto", "fp32")
    )
    if plain and (static := open_static(name, prompt=options.prompt)) is not None:
        return static
    return TransformerEncoder(name, options)


MODEL = "sentence-transformers"
"""The kind of every folder, and of a name that no other kind recognises."""

ENCODERS = {
    MODEL: EncoderKind(
        "hub id, folder, minilm, me5",
        recognises=lambda _: False,
        open=_open_model,
        libraries=("torch", "transformers", "sentence-transformers", "tokenizers"),
        pools=True,
    ),
    "endpoint": EncoderKind(
        "https://host/v1#model",
        recognises=lambda name: "://" in name,
        open=Endpoint,
    ),
    "model2vec": EncoderKind(
        "model2vec:FOLDER",
        recognises=lambda name: name.startswith(MODEL2VEC),
        open=Model2VecEncoder,
        libraries=("model2vec", "tokenizers"),
        extra="model2vec",
    ),
    "laser": EncoderKind(
        "laser:FOLDER",
        recognises=lambda name: name.startswith(LASER) or name.lower() in LASER_NAMES,
        open=LaserEncoder,
        libraries=("torch", "sentencepiece", "sacremoses"),
        extra="laser",
    ),
    "vectors": EncoderKind(
        "vectors.parquet",
        recognises=lambda name: name.endswith(".parquet"),
        open=VectorFile,
        keeps=False,
    ),
}
"""Kinds by the name in `SentenceEncoder.describe`."""


def open_encoder(
    model: str | SentenceTransformer | SentenceEncoder,
    *,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    precision: Precision = ModelOptions.precision,
) -> SentenceEncoder:
    """Return the encoder that a name stands for.

    Parameters
    ----------
    model
        One of

        - what `lingualign.embedding.load_model` loads: a hub id, a folder, ``minilm``, ``me5``; or a loaded model;
        - a file ``.parquet`` of vectors: columns ``sentence`` and ``vector``, as `lingualign encode` writes it;
        - an OpenAI-compatible service: ``https://host/v1#model``;
        - ``model2vec:`` before a folder or hub id: a model run by the package model2vec;
        - ``laser:`` before a folder: LASER2 or LASER3, with weights in safetensors;
        - an encoder, which is returned.
    prompt
        Text put before every sentence. None takes the model's own default prompt, if it has one; ``""`` is no prompt.
    pooling
        Pooling of token vectors in a transformer without sentence-transformers modules; mean by default.
    device, precision
        Device and precision of a model that runs here.

    Raises
    ------
    InputError
        If the encoder cannot be opened, or ``prompt`` or ``pooling`` does not apply to it.
    """
    return find_encoder(model, ModelOptions(prompt, pooling, device, precision))


def find_encoder(
    model: str | SentenceTransformer | SentenceEncoder, options: ModelOptions
) -> SentenceEncoder:
    """Return the encoder of `open_encoder`, with the options as one object."""
    if not isinstance(model, str):
        from sentence_transformers import SentenceTransformer

        return TransformerEncoder(model, options) if isinstance(model, SentenceTransformer) else model
    kind = _kind_of(model)
    if options.pooling is not None and not kind.pools:
        raise InputError(
            f"pooling {options.pooling!r} does not apply to {model!r}, which gives vectors of whole sentences: "
            "leave it out"
        )
    try:
        return kind.open(model, options)
    except ImportError as error:
        if kind.extra is None:
            raise
        raise InputError(
            f"model {model!r} needs the package {error.name}: pip install 'lingualign[{kind.extra}]'"
        ) from None


def _kind_of(name: str) -> EncoderKind:
    if not Path(name).is_dir():
        for kind in ENCODERS.values():
            if kind.recognises(name):
                return kind
    return ENCODERS[MODEL]


def deciding_libraries() -> tuple[str, ...]:
    """Return the packages whose versions decide the vectors of any kind."""
    return tuple(dict.fromkeys(name for kind in ENCODERS.values() for name in kind.libraries))
