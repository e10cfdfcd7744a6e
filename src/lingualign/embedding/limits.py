"""Limits on a model's own files: they come from strangers, and a number in them can block a machine for days."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingualign.errors import InputError
from lingualign.store import check_regular, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_PART = re.compile(r"layer|block|expert|stage|n_group|num_group|hidden_group")
"""Names of settings whose value is a number of parts, each built before any weight is read."""
_COUNT = re.compile(r"(num|n)_|.*(depth|labels)")
_NEVER_NEGATIVE = re.compile(r"(num|n)_|.*(layers|heads|depth)$|.*_size$")
_NEVER_ZERO = re.compile(
    r"(num_|n_)(hidden_|attention_)?(layers?|heads?)$|encoder_(layers|attention_heads)$|(hidden|vocab|intermediate)_size$"
)
"""Settings that no transformer has at 0; others may be 0, such as the layers of a decoder."""
_MOST_PARTS = 1_000
_MOST_OF_ANYTHING = 1_000_000
_LARGEST_TABLE = 1 << 28
"""Maximum number of weights of a layer beside the transformer: 1 GiB."""
_LARGEST_GROWTH = 100.0
_DEEPEST = 64


def check_model_folder(folder: Path) -> None:
    """Check that a folder holds only regular files, and no tokenizer that expands text without bounds.

    Raises
    ------
    InputError
        If it does not; the message names the file.
    """
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent, name)
            with suppress(FileNotFoundError):  # a link that leads nowhere may not be needed
                check_regular(path)
            if name == "tokenizer.json":
                try:
                    described = read_json(path.read_bytes())
                except (OSError, ValueError):
                    continue  # the loader reports it
                check_tokenizer(str(path), described)


@contextmanager
def bounded_configs(name: str) -> Iterator[None]:
    """Check each configuration of a model that transformers and sentence-transformers read, before they use it.

    This covers files on the disk and downloaded ones.

    Raises
    ------
    InputError
        For a setting that asks for more than any model has.
    """
    from sentence_transformers.base.modules.module import Module
    from transformers import PreTrainedConfig

    of_transformer, of_module = PreTrainedConfig.__dict__["get_config_dict"], Module.__dict__["load_config"]

    def get_config_dict(cls: Any, *args: Any, **kwargs: Any) -> Any:
        read = of_transformer.__func__(cls, *args, **kwargs)
        _check_counts(name, read[0])
        return read

    def load_config(cls: Any, *args: Any, **kwargs: Any) -> Any:
        config = of_module.__func__(cls, *args, **kwargs)
        _check_table(name, config)
        return config

    PreTrainedConfig.get_config_dict = classmethod(get_config_dict)  # type: ignore[method-assign, assignment]
    Module.load_config = classmethod(load_config)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        PreTrainedConfig.get_config_dict = of_transformer  # type: ignore[method-assign]
        Module.load_config = of_module  # type: ignore[method-assign]


def check_tokenizer(where: str, described: Any) -> None:
    """Check that a tokenizer of the package tokenizers does not expand text without bounds.

    Parameters
    ----------
    where
        Name of the tokenizer, for the message.
    described
        Content of its JSON.

    Raises
    ------
    InputError
        If a character may become more than a hundred, or a sentence occur several times in its own tokens.
    """
    if not isinstance(described, dict):
        return
    growth = _growth(described.get("normalizer"))
    if growth > _LARGEST_GROWTH:
        raise InputError(
            f"{where}: its normalizer makes text up to {growth:.3g} times longer, which fills any memory; give another "
            "model"
        )
    steps = [described.get("post_processor")]
    while steps:
        step = steps.pop()
        if not isinstance(step, dict):
            continue
        steps += step.get("processors") or []
        single = step.get("single")
        copies = sum("Sequence" in each for each in single or [] if isinstance(each, dict))
        if copies > 2:
            raise InputError(
                f"{where}: its post-processor puts each sentence {copies:,} times into its own tokens; give another "
                "model"
            )


def _growth(step: Any, depth: int = 0) -> float:
    """Return the maximum factor by which a normalizer lengthens a text; at least 1."""
    if not isinstance(step, dict) or depth > _DEEPEST:
        return 1.0
    product = 1.0
    for inner in step.get("normalizers") or []:
        product *= _growth(inner, depth + 1)
    content, pattern = step.get("content"), step.get("pattern")
    if step.get("type") == "Replace" and isinstance(content, str) and isinstance(pattern, dict):
        literal = pattern.get("String")
        # An expression may match the empty text between two characters, which stay.
        product *= max(1.0, len(content) / len(literal)) if literal else 1.0 + len(content)
    if isinstance(charsmap := step.get("precompiled_charsmap"), str):
        product *= _growth_of_charsmap(charsmap)
    return product


def _growth_of_charsmap(charsmap: str) -> float:
    """Return the length in bytes of the longest replacement in SentencePiece's table."""
    try:
        table = base64.b64decode(charsmap)
    except (binascii.Error, ValueError):
        return 1.0
    texts = table[4 + int.from_bytes(table[:4], "little") :]
    return max(1.0, float(max(map(len, texts.split(b"\0")), default=0)))


def _check_counts(name: str, config: Any, depth: int = 0) -> None:
    if not isinstance(config, dict) or depth > _DEEPEST:
        return
    for key, value in config.items():
        _check_counts(name, value, depth + 1)
        if not isinstance(value, int | float):
            continue
        most = _MOST_PARTS if _PART.search(key) else _MOST_OF_ANYTHING if _COUNT.match(key) else None
        if most is not None and value > most and not key.endswith(("_dim", "_size", "_tokens", "_length")):
            raise InputError(f"model {name!r}: its config asks for {_asked(key, value)}, as no model does")
        if (value < 0 and _NEVER_NEGATIVE.match(key)) or (value == 0 and _NEVER_ZERO.match(key)):
            raise InputError(f"model {name!r}: its config asks for {_asked(key, value)}, as no model does")


def _check_table(name: str, config: Any) -> None:
    numbers = [value for value in config.values() if type(value) is int] if isinstance(config, dict) else []
    product = 1
    for value in sorted(map(abs, numbers))[-2:]:
        product *= max(value, 1)
    if product > _LARGEST_TABLE and len(numbers) > 1:
        asked = ", ".join(_asked(key, value) for key, value in config.items() if type(value) is int)
        raise InputError(f"model {name!r}: a module's config asks for {asked}, as no model does")


def _asked(key: str, value: float) -> str:
    digits = len(json.dumps(value))
    return f"{key} {value:,}" if digits < 20 else f"{key} of {digits:,} digits"
