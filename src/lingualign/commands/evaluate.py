"""Score models."""

from __future__ import annotations

import os
import tempfile

from lingualign.errors import InputError


def evaluate(
    model: str,
    suite: list[str],
    output: str | None = None,
    prompt: str | None = None,
    device: str | None = None,
) -> None:
    """Score a model on bitext retrieval, n-way parallel sets and semantic similarity.

    Parameters
    ----------
    model
        Hub id, folder, or minilm.
    suite
        Folders (read recursively) or files: parquet, TSV, CSV or JSON lines. Columns sentence1, sentence2 are
        translation pairs, with score they are graded for similarity; language columns only (en, kor_Hang) are an
        n-way parallel set.
    output
        File to keep the scores in, as JSON.
    prompt
        Text put before every sentence, such as "query: " for E5; the model's own default prompt where absent.
    device
        Where the model runs, such as cpu or cuda:1; the best there is by default.
    """
    from lingualign.evaluation import evaluate, load_suites, print_scores, save_scores

    if output is not None:
        _check_output(output)
    scores = evaluate(model, load_suites(suite), prompt=prompt, device=device, progress=True)
    print_scores(scores)
    if output is not None:
        save_scores(scores, output)


def _check_output(output: str) -> None:
    """Refuse a file that could not be written, before the scores are computed."""
    folder = os.path.dirname(os.path.abspath(output))
    if os.path.isdir(output) or output.endswith(os.sep):
        raise InputError(
            f"--output {output!r}: a folder; give a file, such as {os.path.join(output, 'scores.json')}"
        )
    if not os.path.isdir(folder):
        raise InputError(f"--output {output!r}: its folder does not exist")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"--output {output!r}: its folder cannot be written to: {error.strerror}") from None
