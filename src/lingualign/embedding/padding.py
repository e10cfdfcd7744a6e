"""A padding token for tokenizers that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase

_STAND_INS = ("eos_token", "bos_token", "sep_token", "cls_token", "unk_token", "mask_token")


def allow_padding(model: SentenceTransformer) -> None:
    """Let a special token stand for the padding in each tokenizer of a model that has no token for it.

    Padding is masked, so which token it is does not change a vector.

    Raises
    ------
    InputError
        If a tokenizer has no special token at all. A word must not be one: it would be cut out of longer words.
    """
    from transformers import PreTrainedTokenizerBase

    for module in model.modules():
        tokenizer = getattr(module, "tokenizer", None)
        if isinstance(tokenizer, PreTrainedTokenizerBase) and tokenizer.pad_token is None:
            tokenizer.pad_token = _stand_in(
                tokenizer, getattr(getattr(module, "config", None), "pad_token_id", None)
            )


def _stand_in(tokenizer: PreTrainedTokenizerBase, configured: int | None) -> str:
    """Choose the token that the model is configured for, if it is a special one, or else the first there is."""
    candidates = [getattr(tokenizer, name) for name in _STAND_INS]
    if configured is not None:
        candidates.insert(0, tokenizer.convert_ids_to_tokens(configured))
    for token in candidates:
        if token in tokenizer.all_special_tokens:
            return str(token)
    raise InputError(
        f"model {tokenizer.name_or_path!r}: its tokenizer has no padding token and no special token to stand for one; "
        "set its pad_token, such as tokenizer.add_special_tokens({'pad_token': '[PAD]'}), and save the model anew"
    )
