"""Score a model on suites, in the form of ``scores.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingualign.errors import InputError
from lingualign.evaluation.measure import measure
from lingualign.evaluation.scores import score
from lingualign.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.embedding.options import Pooling
    from lingualign.evaluation.suites import Suite


def evaluate(
    model: str | SentenceTransformer | SentenceEncoder,
    suites: Sequence[Suite],
    *,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    kept: Path | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Encode each distinct sentence of all suites once, and score every suite.

    Parameters
    ----------
    model
        What `lingualign.embedding.encoders.open_encoder` takes: a hub id, a folder, ``minilm``, a loaded model, a file
        of vectors, an embeddings service.
    suites
        As `load_suites` reads them.
    prompt
        Put before every sentence, on both sides: ``"query: "`` for E5. None takes the model's own default prompt,
        which most models have not; ``""`` takes none.
    pooling
        ``mean``, ``cls`` or ``last``, of a transformer without sentence-transformers modules; the mean by default.
    device
        Where the model runs, such as ``cpu`` or ``cuda:1``; by default where it is, or on the best there is.
    kept
        Folder of vectors by which a second evaluation encodes nothing that an earlier one has encoded by the same
        weights and prompt; the command keeps them in the user's cache. None keeps nothing.
    progress
        Whether to show a progress bar while encoding.

    Returns
    -------
    dict
        Ready for JSON, rates in [0, 1]:

        - ``model``: ``name``, ``fingerprint``, ``dimensions``, ``prompt``, ``prompt_from`` (``option``, ``model``: its
          own configuration, or ``none``), ``kind`` of encoder, and ``pooling`` where it has one; ``lingualign``: the
          version.
        - ``suites`` by name, each with ``kind``, ``rows`` and, if a sanity check finds fault, ``warnings``:

          - bitext: ``accuracy`` (the mean of both directions), ``forward`` (sentence1 to sentence2) and
            ``backward``; ``f1`` in the same three forms, ``f1_forward`` being the main score of MTEB; both
            directions averaged, the error rates ``xsim`` (absolute, 1 - accuracy), ``xsim_distance`` and
            ``xsim_margin`` (ratio; 4 neighbours).
          - nway: ``pairs``, one entry ``eng_Latn-fra_Latn`` for each unordered pair of languages in the
            order of the columns, with the same figures; and ``mean``, over all pairs.
          - mining: the figures of bitext, of the pairs' sentences among all, and ``mining``: ``f1``, ``precision`` and
            ``recall`` of the pairs ``mined`` (their number) by ratio margin from ``threshold`` on, which was chosen on
            ``threshold_from``.
          - sts: ``spearman`` and ``pearson``, null where all cosines are equal.

          Their 95% intervals are ``ci95``, of ``accuracy`` or ``spearman``, and ``forward_ci95``,
          ``xsim_ci95`` and so on. bitext, nway and mining have ``space`` beside, of `lingualign.evaluation.space`:
          ``alignment``, ``uniformity``, ``isotropy``, ``language_identifiability`` and ``hubness``, with their
          intervals; of mining suites it is of the pairs, but for ``hubness``, which is of all sentences.
        - ``means`` by group (`Suite.group`): each metric's plain mean over the group's suites that have it, null where
          it is undefined for one, and its interval in ``ci95`` by metric; ``mined_f1`` is of the pairs mined.

    Raises
    ------
    InputError
        If there are no suites or two of the same name, a suite's columns differ in length, the model cannot be
        loaded, or it gives NaN or infinite values.
    """
    return score(
        measure(model, suites, prompt=prompt, pooling=pooling, device=device, kept=kept, progress=progress)
    )


def save_scores(scores: dict[str, Any], path: str | Path) -> None:
    """Write scores as JSON; a file that is there already is replaced whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    text = json.dumps(scores, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise InputError(
            f"scores cannot be written to {path}: {error.strerror}; give another file"
        ) from error
