"""Make a set of training pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lingualign.pairs.config import DataConfig


def prepare(folder: str, data: DataConfig, overwrite: bool = False) -> None:
    """Select, clean, sample and split translation pairs of any number, into a folder that train takes as a source.

    Parameters
    ----------
    folder
        Where the pairs go, in parquet, with a manifest.
    data
        YAML file with the options below; an option given on the command line wins.
    overwrite
        Replace prepared pairs in the folder.
    """
    from functools import partial

    from lingualign.embedding.progress import progress_bar
    from lingualign.pairs import prepare_shards, print_report

    progress = partial(progress_bar, enabled=True)
    manifest = prepare_shards(data, folder, overwrite=overwrite, progress=progress)
    report = manifest.report()
    print_report(report)
    print(
        f"{report.total.train:,} pairs to train on and {report.total.validation:,} to validate on in {folder}"
    )
