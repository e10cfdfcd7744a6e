"""Encode sentences fast: each distinct one once, in batches of equal length, in bf16 where that is fast."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lingualign.embedding.models import allow_padding, prompt_of
from lingualign.errors import InputError
from lingualign.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    import torch
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.options import Precision

_Batch = tuple["NDArray[np.int64]", dict[str, Any]]
"""Positions of sentences, and the features for the model."""

_CPU_BATCH_TOKENS = 2_048
_ACCELERATOR_BATCH_TOKENS = 32_768

# Larger chunks have more batches of one length. Characters count padded to the longest sentence, which bounds the
# memory of one long text among thousands of short ones.
_CHUNK_SENTENCES = 8_192
_CHUNK_CHARACTERS = 1 << 20
# Padding costs more than small chunks save. A token has some four characters.
_CHARACTERS_OF_A_BATCH_TOKEN = 32

_PLAIN_BATCH = 32


def encode(
    model: SentenceTransformer,
    sentences: Sequence[str],
    *,
    prompt: str | None = None,
    normalize: bool = True,
    precision: Precision = "auto",
    batch_tokens: int | None = None,
    progress: bool = False,
) -> NDArray[np.float32]:
    """Encode sentences into vectors, in the order given.

    In ``fp32`` the vectors are those of ``SentenceTransformer.encode`` up to rounding; narrower weights are cast to
    single precision first.

    Parameters
    ----------
    model
        Any sentence-transformers model. Its train or eval mode is left as it was.
    sentences
        Sentences; each distinct one is encoded once.
    prompt
        Text put before every sentence, and left out of the pooling if the model's configuration says so.
        ``None`` takes the model's own default prompt, as ``SentenceTransformer.encode`` does; ``""`` is no prompt.
    normalize
        Scale the vectors to length 1.
    precision
        Precision of the arithmetic; ``auto`` is bf16 (autocast) if the processor has instructions for it (AMX-BF16 or
        AVX512-BF16; CUDA from compute capability 8.0), else fp32.
    batch_tokens
        Number of tokens of a batch, including padding; by default 2,048 on a CPU, 32,768 on an accelerator.
    progress
        Show a progress bar on standard error.

    Returns
    -------
    ndarray of float32, shape (sentences, dimensions)

    Raises
    ------
    InputError
        If an element is not text, a parameter is out of range, or the model gives NaN or infinite values.
    """
    check_sentences(sentences)
    texts = list(dict.fromkeys(sentences))
    vectors: NDArray[np.float32] | None = None
    with progress_bar("Encoding", len(texts), enabled=progress) as advance:
        for indices, batch in encode_batches(
            model, texts, prompt=prompt, normalize=normalize, precision=precision, batch_tokens=batch_tokens
        ):
            if vectors is None:
                vectors = np.empty((len(texts), batch.shape[1]), dtype=np.float32)
            vectors[indices] = batch
            advance(len(indices))
    if vectors is None:
        return np.empty((0, model.get_embedding_dimension() or 0), dtype=np.float32)
    if len(texts) == len(sentences):
        return vectors
    place = {text: row for row, text in enumerate(texts)}
    return vectors[[place[sentence] for sentence in sentences]]


def encode_batches(
    model: SentenceTransformer,
    sentences: Sequence[str],
    *,
    prompt: str | None = None,
    normalize: bool = True,
    precision: Precision = "auto",
    batch_tokens: int | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Encode sentences batch by batch, the longest first, in memory that does not grow with their number.

    Parameters are those of :func:`encode`; repeated sentences are encoded repeatedly.

    Yields
    ------
    indices : ndarray of int64, shape (batch,)
        Positions in ``sentences``; each position comes once.
    vectors : ndarray of float32, shape (batch, dimensions)
    """
    check_sentences(sentences)
    allow_padding(model)
    if batch_tokens is None:
        batch_tokens = _CPU_BATCH_TOKENS if model.device.type == "cpu" else _ACCELERATOR_BATCH_TOKENS
    if batch_tokens < 1:
        raise InputError(f"batch_tokens is {batch_tokens}: it must be at least 1")
    text = prompt_of(model, prompt) or None
    precision = resolve_precision(precision, model.device)

    def groups() -> Iterator[list[_Batch]]:
        characters = max(_CPU_BATCH_TOKENS, batch_tokens) * _CHARACTERS_OF_A_BATCH_TOKEN
        for chunk in chunks(sentences, max(_CHUNK_SENTENCES, batch_tokens // 2), characters):
            texts = [sentences[index] for index in chunk]
            yield [(chunk[rows], features) for rows, features in _batches(model, texts, text, batch_tokens)]

    with _evaluating(model), _in_precision(model, precision):
        for results in _forward_all(model, groups(), normalize, precision):
            for indices, vectors in results:
                refuse_not_finite(vectors, [sentences[index] for index in indices])
                yield indices, vectors


def fast_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies bf16 matrices faster than fp32 ones."""
    import torch

    if device.type == "cuda":
        # Not torch.cuda.is_bf16_supported(), which counts emulation too.
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # Not torch.ops.mkldnn._is_mkldnn_bf16_supported(), which is true on AVX512 without bf16 instructions.
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, check, bool)() for check in checks)
    return False


def resolve_precision(precision: Precision, device: torch.device) -> Literal["bf16", "fp32"]:
    """Return what ``auto`` means on a device; raise InputError for an unknown precision."""
    if precision not in ("auto", "bf16", "fp32"):
        raise InputError(f"precision is {precision!r}: it must be 'auto', 'bf16' or 'fp32'")
    if precision == "auto":
        return "bf16" if fast_bf16(device) else "fp32"
    return precision


def _autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    import torch

    if resolve_precision(precision, device) == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    # The caller's own autocast must not reach the model either.
    return (
        torch.autocast(device.type, enabled=False)
        if torch.is_autocast_enabled(device.type)
        else nullcontext()
    )


def check_sentences(sentences: Sequence[str]) -> None:
    """Raise InputError for anything but a list of valid texts; the message shows the element."""
    if isinstance(sentences, str):
        raise InputError("sentences is a single text: give a list of texts, such as [text]")
    for row, sentence in enumerate(sentences):
        if not isinstance(sentence, str):
            raise InputError(f"sentences[{row}] is {sentence!r} ({type(sentence).__name__}): it must be text")
        if not sentence.isascii():
            try:
                sentence.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"sentences[{row}] is not valid Unicode ({error.reason} at character {error.start} of "
                    f"{_shorten(sentence)!a}): read its file as UTF-8"
                ) from error


def refuse_not_finite(vectors: NDArray[np.float32], sentences: Sequence[str]) -> None:
    """Raise InputError for NaN or infinite vectors, which damaged weights give; the message shows a sentence."""
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InputError(
            f"the model gives NaN or infinite values for the sentence {_shorten(sentences[int(finite.argmin())])!r}: "
            "its weights are damaged, or too large for this precision: try fp32"
        )


@contextmanager
def _evaluating(model: SentenceTransformer) -> Iterator[None]:
    """Put every module into eval mode, and restore its mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _in_precision(model: SentenceTransformer, precision: Precision) -> Iterator[None]:
    """Remove for a while what makes a model compute in another precision than the requested one.

    This is the autocast that accelerate puts around the ``forward`` of a model in mixed-precision training, and weights
    narrower than single precision.
    """
    import torch

    # Torch's kernels for processors do not mix half precision and bf16.
    narrow = {torch.float16, torch.bfloat16} if precision == "fp32" else {torch.float16}
    tensors = [tensor for tensor in (*model.parameters(), *model.buffers()) if tensor.dtype in narrow]
    narrower = [tensor.data for tensor in tensors]
    forward = vars(model).pop("forward") if "_original_forward" in vars(model) else None
    for tensor in tensors:
        tensor.data = tensor.data.float()
    try:
        yield
    finally:
        for tensor, data in zip(tensors, narrower, strict=True):
            tensor.data = data
        if forward is not None:
            vars(model)["forward"] = forward


def chunks(
    sentences: Sequence[str], most: int, characters: int = _CHUNK_CHARACTERS
) -> Iterator[NDArray[np.int64]]:
    """Split sentences into chunks for tokenisation, of similar length, the longest first.

    A chunk has at most ``most`` sentences and, padded to its longest, ``characters`` characters.
    """
    lengths = np.fromiter((len(sentence) for sentence in sentences), dtype=np.int64, count=len(sentences))
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        stop = start + min(most, max(1, characters // longest))
        yield order[start:stop]
        start = stop


def _batches(
    model: SentenceTransformer, texts: list[str], prompt: str | None, batch_tokens: int
) -> Iterator[tuple[NDArray[np.int64], dict[str, Any]]]:
    """Tokenise a chunk once and cut it into batches, each with its rows in the chunk."""
    everything = np.arange(len(texts))
    features = dict(model.preprocess(texts, prompt=prompt))
    if "offsets" in features:
        # A bag of token ids has no padding: the chunk is a batch.
        yield everything, features
        return
    mask = features.get("attention_mask")
    if mask is None or mask.ndim != 2 or len(mask) != len(texts):
        # Flattened for flash attention, or a module with features of its own, which makes its own batches.
        for start in range(0, len(texts), _PLAIN_BATCH):
            rows = everything[start : start + _PLAIN_BATCH]
            yield rows, dict(model.preprocess([texts[row] for row in rows], prompt=prompt))
        return
    features, lengths = _padded_behind(features)
    shape = features["attention_mask"].shape
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        rows = order[start : start + max(1, batch_tokens // longest)]
        if lengths[rows[0]]:
            # The vector of a sentence without tokens depends on the padding beside it.
            rows = rows[lengths[rows] > 0]
        # Equal lengths alone if they fill a quarter of a batch: then no mask is applied.
        equal = int(np.searchsorted(-lengths[rows], -longest, side="right"))
        if equal * longest >= batch_tokens // 4:
            rows = rows[:equal]
        yield rows, {key: _cut(value, rows, slice(longest), shape) for key, value in features.items()}
        start += len(rows)


def _padded_behind(features: dict[str, Any]) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Move padding in front of sentences behind them; returns the features and the number of tokens of each sentence.

    A model that counts positions from the first column, such as GPT-2, would otherwise return another vector for a
    sentence in each batch.
    """
    import torch

    mask = features["attention_mask"]
    if mask.shape[1] == 0:
        # No sentence has a token, and the tokenizer returns neither ids nor a type: one column of padding.
        blank = torch.zeros(len(mask), 1, dtype=torch.long)
        features = {
            key: blank if isinstance(value, torch.Tensor) and value.shape == mask.shape else value
            for key, value in features.items()
        }
        return features, np.zeros(len(mask), np.int64)
    places = torch.arange(mask.shape[1])
    before = mask.int().argmax(dim=1, keepdim=True)  # the first token's place; 0 if there is none
    if before.any():
        rows, moved = torch.arange(len(mask))[:, None], (places + before) % mask.shape[1]
        features = {
            key: value[rows, moved]
            if isinstance(value, torch.Tensor) and value.shape[:2] == mask.shape
            else value
            for key, value in features.items()
        }
    # Up to the last token: a mask may have gaps before it.
    lengths = ((places + 1) * features["attention_mask"].bool()).amax(dim=1)
    return features, lengths.numpy()


def _cut(value: Any, rows: NDArray[np.int64], columns: slice, shape: torch.Size) -> Any:
    """Return the rows of a batch of one feature of a chunk, and of token-wise features the columns."""
    import torch

    if not isinstance(value, torch.Tensor) or value.ndim == 0 or len(value) != shape[0]:
        return value
    taken = value[torch.from_numpy(rows)]
    return taken[:, columns] if value.shape[:2] == shape else taken


def _forward_all(
    model: SentenceTransformer, groups: Iterator[list[_Batch]], normalize: bool, precision: Precision
) -> Iterator[list[tuple[NDArray[np.int64], NDArray[np.float32]]]]:
    """Yield the vectors of each group of batches, several batches at a time if that is faster."""
    from lingualign.embedding.cpu import CpuKernels, cpu_kernels, in_lanes, lanes_of

    precision = resolve_precision(precision, model.device)
    kernels = cpu_kernels(model, model.device)
    lanes = lanes_of(model.device)

    def work(batch: _Batch) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        indices, features = batch
        return indices, _forward(model, features, normalize)

    def work_alone(batch: _Batch) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        with _autocast(model.device, precision), kernels:
            return work(batch)

    if isinstance(kernels, CpuKernels) and lanes > 1:
        yield from in_lanes(work_alone, groups, lanes)
        return
    for group in groups:
        # Once per group, not per batch: on exit, autocast drops the weights it has cast.
        with _autocast(model.device, precision), kernels:
            results = [work(batch) for batch in group]
        yield results


def _forward(model: SentenceTransformer, features: dict[str, Any], normalize: bool) -> NDArray[np.float32]:
    import torch
    from sentence_transformers.util import batch_to_device

    with torch.inference_mode():
        vectors = model(batch_to_device(features, model.device))["sentence_embedding"].float()
        if model.truncate_dim is not None:
            vectors = vectors[:, : model.truncate_dim]
        if normalize:
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        array: NDArray[np.float32] = vectors.cpu().numpy()
        return array


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
