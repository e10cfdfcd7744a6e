"""Train a model: from a configuration, or the whole way in about a minute on the bundled sample."""

from __future__ import annotations

from lingualign.pairs.config import PairsConfig
from lingualign.samples import EVERYDAY
from lingualign.training.config import EarlyStoppingConfig, RunConfig, TrainingConfig
from lingualign.training.kinds import StudentConfig


def quickstart(output: str = "lingualign-quickstart") -> dict[str, tuple[float, float]]:
    """Train a small five-language model on the bundled sample, in about a minute and without a download.

    Parameters
    ----------
    output
        Folder for the model.

    Returns
    -------
    dict
        Two-way accuracy on the test sentences, before and after, of each language pair and, as ``mean``, of all.

    Raises
    ------
    InputError
        If the folder holds something else; a quickstart that stands there already is replaced.
    """
    from rich.console import Console
    from rich.table import Table

    from lingualign.training import train
    from lingualign.training.run_folder import RunFolder

    console = Console()
    config = quickstart_config(output)
    trained = train(config, overwrite=RunFolder(config).holds_this_run())
    assert trained.scores_before is not None
    assert trained.scores is not None
    before, after = (
        next(iter(scores["suites"].values())) for scores in (trained.scores_before, trained.scores)
    )
    accuracies = {
        pair: (before["pairs"][pair]["accuracy"], after["pairs"][pair]["accuracy"]) for pair in after["pairs"]
    }
    accuracies["mean"] = (before["mean"]["accuracy"], after["mean"]["accuracy"])

    console.rule("Result")
    table = Table("language pair", title="Two-way accuracy on 100 unseen sentences")
    for column in ("before", "after"):
        table.add_column(column, justify="right")
    for pair, (untrained, score) in accuracies.items():
        table.add_row(pair, f"{untrained:.1%}", f"{score:.1%}", end_section=pair == list(accuracies)[-2])
    console.print(table)
    console.print(
        f"""
The model in {output} is a plain sentence-transformers model:

    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer("{output}")
    print(model.similarity(*model.encode(["The dog sleeps.", "犬が寝ています。"])))

Next: train on your own pairs. Copy configs/static.yaml, put your files under pairs.sources, and run

    lingualign train --config my.yaml
    lingualign evaluate runs/my-model --suite my-test-set.tsv
""",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return accuracies


def quickstart_config(output: str) -> RunConfig:
    """Configure the quickstart: English with four languages, since `minilm` understands English alone."""
    return RunConfig(
        output=output,
        pairs=PairsConfig(
            sources=[str(EVERYDAY / "train.tsv")],
            select="en-xx",
            priority=["en", "ru", "ja", "fr", "ko"],
            validation=str(EVERYDAY / "validation.tsv"),
        ),
        decontaminate=[str(EVERYDAY / "test.tsv")],
        # Of 200 to 2,000 pieces the best on the validation sentences: with more, the 320 sentences of a language
        # are cut into whole phrases, which no other sentence has, and Japanese suffers most.
        student=StudentConfig(kind="static", vocabulary=600),
        evaluate=[str(EVERYDAY / "test.tsv")],
        training=TrainingConfig(
            max_steps=400,
            batch_size=128,
            learning_rate=2e-2,
            evaluate_every=50,
            early_stopping=EarlyStoppingConfig(metric="validation", patience=3),
        ),
    )


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
