"""Text to token ids as LASER was trained on it."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from lingualign.errors import InputError, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START, PADDING, END, UNKNOWN = 0, 1, 2, 3
"""Ids that LASER fixes, whatever its dictionary says."""
_SPECIAL = {"<s>": START, "<pad>": PADDING, "</s>": END, "<unk>": UNKNOWN}
_SINGLE_QUOTES = ("‘", "‚", "’")


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
        If the packages sentencepiece and sacremoses are missing, or the file is no model of sentencepiece.
    """

    unk_token_id = UNKNOWN

    def __init__(self, pieces: Path, dictionary: dict[str, int]) -> None:
        try:
            from sacremoses import MosesPunctNormalizer
            from sentencepiece import SentencePieceProcessor
        except ImportError as error:
            raise InputError(
                f"LASER needs the package {error.name}: pip install 'lingualign[laser]'"
            ) from None
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
        """Give the ids of each text under ``input_ids``, without the end that the encoder adds.

        Options of other tokenizers have no effect: there is no longest text.
        """
        return {"input_ids": [self._ids(text) for text in texts]}

    def _ids(self, text: str) -> list[int]:
        printed = "".join(" " if unicodedata.category(each)[0] == "C" else each for each in text)
        pieces = self._pieces.encode(self._normalizer.normalize(printed).lower(), out_type=str)
        # Joined and split again, as LASER hands them on: a piece that is a space of another kind is gone.
        return [self._dictionary.get(piece, UNKNOWN) for piece in " ".join(pieces).split()]
