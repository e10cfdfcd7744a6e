"""Train a model."""

from __future__ import annotations

from lingualign.training.config import RunConfig  # noqa: TC001 - the command line reads its fields


def quickstart(output: str = "lingualign-quickstart") -> None:
    """Train a small five-language model on the bundled sample, in about a minute and without a download.

    Parameters
    ----------
    output
        Folder for the model.
    """
    from lingualign.quickstart import quickstart

    quickstart(output)


def train(run: RunConfig, resume: bool = False, overwrite: bool = False) -> None:
    """Train an aligned model from translation pairs.

    Parameters
    ----------
    run
        YAML file with the options below; an option given on the command line wins.
    resume
        Go on with the run in the output folder from its last checkpoint.
    overwrite
        Replace the run in the output folder.
    """
    from lingualign.training import train

    train(run, resume=resume, overwrite=overwrite)
