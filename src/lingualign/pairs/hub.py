"""Pairs from the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.pairs.tabular import CHUNK_ROWS, Choice, text_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from lingualign.pairs.discovery import HubDataset


def stream_hub(dataset: HubDataset, choose: Choice) -> Iterator[pa.Table]:
    """Read the chosen columns of the ``train`` split, in tables of some ten thousand rows, at least one.

    The fields of a nested column are columns of their own: ``translation.en``.

    Only data files are read: a data set that needs code of its own is refused by `datasets`.

    Raises
    ------
    InputError
        If the data set cannot be reached or loaded, or ``choose`` raises it.
    """
    import datasets  # half a second that local files do not need

    try:
        loaded = datasets.load_dataset(dataset.id, name=dataset.config, split="train").flatten()
    except ConnectionError as error:
        raise InputError(
            f"source {dataset.name!r}: no such file or folder here, and the hub data set of this name cannot "
            f"be reached ({_first_line(error)}). Offline, give a folder or a file of pairs"
        ) from None
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"source {dataset.name!r}: the hub data set cannot be loaded ({_first_line(error)}). "
            "A configuration is named as in owner/name:en-fr; the split read is train"
        ) from None
    names = choose(loaded.column_names)
    rows = loaded.select_columns(list(names)).with_format("arrow")
    for before in range(0, max(len(rows), 1), CHUNK_ROWS):
        chunk = rows[before : before + CHUNK_ROWS]
        yield text_columns(chunk, names, dataset.name, before=before)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
