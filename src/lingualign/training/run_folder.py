"""A run's folder: the model, and beside it everything about how it came to be.

modules.json, ...        the trained model, as plain sentence-transformers loads it
README.md                its model card
lingualign.yaml          the resolved configuration
data_report.json         pairs read, kept and dropped, by file and reason
training_log.json        loss terms and validation accuracies by step
scores.json              scores on the suites named in the configuration; scores_before.json, untrained
checkpoints/             the last and the best state, to resume from
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lingualign.errors import InputError
from lingualign.training.checkpoints import checkpoints

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from lingualign.training.config import RunConfig

_FINISHED = "modules.json"


class RunFolder:
    """The folder of one run.

    Parameters
    ----------
    config
        The run's configuration; ``config.output`` is the folder.
    """

    def __init__(self, config: RunConfig) -> None:
        self.path = Path(config.output)
        self.checkpoints = self.path / "checkpoints"
        self.config_file = self.path / "lingualign.yaml"
        self._config = asdict(config)

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Refuse a folder that holds something else, before any work; nothing is written yet.

        Raises
        ------
        InputError
            If the folder holds another run and neither ``resume`` nor ``overwrite`` is given, holds something that is
            no run, or holds a run of another configuration than the one to resume.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"output {str(self.path)!r} is a file; give a folder")
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        if not self.config_file.is_file():
            raise InputError(
                f"output {str(self.path)!r} is not empty and holds no run (no {self.config_file.name}); give a new folder"
            )
        if resume:
            self._check_same_configuration()
            if (self.path / _FINISHED).is_file():
                raise InputError(
                    f"--resume: the run in {str(self.path)!r} is finished; there is nothing to go on with"
                )
        elif not overwrite:
            raise InputError(
                f"output {str(self.path)!r} holds another run; give another folder, --resume to go on with it, or "
                "--overwrite to replace it"
            )

    def _check_same_configuration(self) -> None:
        before = yaml.safe_load(self.config_file.read_text(encoding="utf-8"))
        changed = sorted(_differences(before, json.loads(json.dumps(self._config))))
        if changed:
            raise InputError(
                f"--resume: the configuration is not the one of the run in {str(self.path)!r}; it differs in "
                f"{', '.join(changed)}. Resume with {self.config_file}, or start anew in another folder"
            )

    def begin(self, *, overwrite: bool) -> None:
        """Make the folder, empty but for the configuration; a run to resume stays as it is."""
        if overwrite and self.config_file.is_file():
            shutil.rmtree(self.path)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(json.loads(json.dumps(self._config)), sort_keys=False, allow_unicode=True)
        _write(self.config_file, text)

    def last_checkpoint(self) -> Path | None:
        """Find the newest finished checkpoint."""
        found = checkpoints(self.checkpoints)
        return found[-1] if found else None

    def save_json(self, name: str, content: Any) -> None:
        """Write a JSON file beside the model."""
        _write(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def save_text(self, name: str, text: str) -> None:
        """Write a text file beside the model."""
        _write(self.path / name, text)

    def save_model(self, model: SentenceTransformer) -> None:
        """Write the model; the file that makes it loadable comes last."""
        unfinished = self.path / ".unfinished-model"
        shutil.rmtree(unfinished, ignore_errors=True)
        model.save_pretrained(str(unfinished), create_model_card=False)
        for part in sorted(unfinished.iterdir(), key=lambda part: part.name == _FINISHED):
            place = self.path / part.name
            if place.is_dir():
                shutil.rmtree(place)
            part.replace(place)
        unfinished.rmdir()


def _write(path: Path, text: str) -> None:
    """Replace a file at once: readers see the old one or the new one."""
    unfinished = path.with_name(f".unfinished-{path.name}")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


def _differences(before: Any, after: Any, key: str = "") -> list[str]:
    """Name the keys that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = before.keys() | after.keys()
        return [
            difference
            for name in names
            for difference in _differences(before.get(name), after.get(name), f"{key}.{name}".lstrip("."))
        ]
    return [] if before == after else [key]
