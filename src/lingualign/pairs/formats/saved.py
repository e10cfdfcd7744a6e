"""Data sets saved by the library `datasets`: a folder of Arrow files with a description."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lingualign.errors import InputError, first_line
from lingualign.pairs.formats.tabular import DAMAGED, Choice, flat_columns, text_columns
from lingualign.store import check_regular, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPLITS = "dataset_dict.json"
_STATE = "state.json"
_SPLIT = "train"
_FILE_NAME = re.compile(r"[\w-][\w.-]*")


def is_saved_dataset(folder: Path) -> bool:
    """Return whether ``save_to_disk`` of a data set, or of a dictionary of them, wrote a folder."""
    return (folder / _SPLITS).is_file() or all(
        (folder / name).is_file() for name in (_STATE, "dataset_info.json")
    )


def stream_saved(folder: Path, choose: Choice) -> Iterator[pa.Table]:
    """Yield the chosen columns, of the split ``train`` if there are several, in at least one table.

    Only Arrow files of the folder are read: it may come from anywhere, and its references to files outside of it are
    not followed. The fields of a nested column are columns of their own: ``translation.en``.

    Raises
    ------
    InputError
        If there is no such split, the folder is damaged, or ``choose`` raises it.
    """
    if (folder / _SPLITS).is_file():
        splits = _json(folder / _SPLITS).get("splits")
        if not isinstance(splits, list) or _SPLIT not in splits:
            raise InputError(
                f"{folder}: no split {_SPLIT!r}; found {splits!r:.200}. Give the folder of one split"
            )
        folder = folder / _SPLIT
    files = _json(folder / _STATE).get("_data_files")
    names = [file.get("filename") if isinstance(file, dict) else None for file in files or []]
    if not names or not all(isinstance(name, str) and _FILE_NAME.fullmatch(name) for name in names):
        raise InputError(f"{folder / _STATE}: names no Arrow files of this folder; save the data set again")
    before = 0
    for name in names:
        path = folder / str(name)
        try:
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
                wanted = choose(flat_columns(reader.schema.empty_table()).column_names)
                for table in chain([reader.schema.empty_table()], map(_sound, reader)):
                    yield text_columns(flat_columns(table), wanted, folder, before=before)
                    before += table.num_rows
        except (*DAMAGED, OSError, KeyError) as error:
            reason = first_line(error)
            raise InputError(
                f"{path}: damaged, cut off or missing ({reason}); save the data set again"
            ) from None


def _sound(batch: pa.RecordBatch) -> pa.Table:
    batch.validate(full=True)
    return pa.table(batch)


def _json(path: Path) -> dict[str, Any]:
    try:
        check_regular(path)
        content = read_json(path.read_bytes())
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object")
    return content
