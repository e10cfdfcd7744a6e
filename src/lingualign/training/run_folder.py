"""A run's folder: the model, and beside it everything about how it came to be.

modules.json, ...        the trained model, as plain sentence-transformers loads it
README.md                its model card
lingualign.yaml          the resolved configuration
data_report.json         pairs read, kept and dropped, by file and reason
training_log.json        loss terms and validation accuracies by step
scores.json              scores on the suites named in the configuration; scores_before.json, untrained
checkpoints/             the last two states and the best, to resume from; of an extended student, its start;
                         hard negatives, once mined
.lingualign-files        names of the above: what --overwrite may remove
.lock                    while a process trains: which
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from lingualign.errors import InputError
from lingualign.store import (
    UNFINISHED,
    alone,
    discard,
    folder_damage,
    follow_umask,
    is_plain_name,
    whole_folder,
    write_atomically,
)
from lingualign.training.checkpoints import checkpoints, explained, last_whole
from lingualign.training.config import differences, resolved
from lingualign.training.distributed import is_first, on_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from lingualign.training.config import RunConfig

REPORT, LOG = "data_report.json", "training_log.json"
_FINISHED = "modules.json"
_OWN = ".lingualign-files"
_LOCK = ".lock"
_START, _NEGATIVES = "start", "hard-negatives"


class RunFolder:
    """The folder of one run; of several processes the first one writes it.

    Parameters
    ----------
    config
        The run's configuration; ``config.output`` is the folder.
    """

    def __init__(self, config: RunConfig) -> None:
        self.path = Path(config.output)
        self.checkpoints = self.path / "checkpoints"
        self.config_file = self.path / "lingualign.yaml"
        self._config = asdict(resolved(config))
        self._replaces = False
        """True where the folder holds another run, which `begin` will remove."""

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Raise InputError for a folder that holds something else, before any work; nothing is written yet.

        Raises
        ------
        InputError
            If the folder holds another run and neither ``resume`` nor ``overwrite`` is given, holds something that is
            no run, or holds a run of another configuration than the one to resume.
        """
        if not is_first():
            return
        self._check_place()
        self._replaces = overwrite
        if self._is_empty():
            if resume:
                raise InputError(
                    f"--resume: there is no run in {str(self.path)!r}; leave --resume out to begin one"
                )
            return
        if not self.config_file.is_file():
            raise InputError(
                f"output {str(self.path)!r} is not empty and holds no run (no {self.config_file.name}); "
                "give a new folder"
            )
        if resume and overwrite:
            raise InputError("--resume goes on with a run and --overwrite replaces it; give one of them")
        if resume:
            if self.checkpoints.is_symlink():
                raise InputError(
                    f"--resume: {self.checkpoints} is a link to another place, where nothing may be removed; put the "
                    "checkpoints themselves there, or let the output be a link"
                )
            self._check_same_configuration()
            if (self.path / _FINISHED).is_file():
                raise InputError(
                    f"--resume: the run in {str(self.path)!r} is finished; there is nothing to go on with"
                )
        elif not overwrite:
            raise InputError(f"output {str(self.path)!r} holds {self._held()}")
        elif escaping := [name for name in self._recorded() if not is_plain_name(name)]:
            raise InputError(
                f"{self.path / _OWN} names {escaping[0]!r}, which is not a name in its folder and not of a run; "
                "remove that line, or give another folder"
            )
        elif foreign := sorted({part.name for part in self.path.iterdir()} - self._own_names()):
            raise InputError(
                f"output {str(self.path)!r} holds what no run of lingualign has written: {', '.join(foreign)}. "
                "--overwrite removes a run and nothing else; move these away, or give another folder"
            )

    def _held(self) -> str:
        """Describe the run that the folder holds, and what can be done."""
        finished = (self.path / _FINISHED).is_file()
        if self.holds_this_run():
            if finished:
                return "this run, finished; give another folder, or --overwrite to train it again"
            return "this run, not finished; --resume continues it, --overwrite begins it again"
        try:
            changed = f", which differs in {', '.join(self._changed_settings())}"
        except (OSError, ValueError, TypeError, yaml.YAMLError):
            changed = ""
        return f"another run{changed}; give another folder, or --overwrite to replace it"

    def _check_place(self) -> None:
        place = next(parent for parent in (self.path, *self.path.absolute().parents) if parent.exists())
        if not place.is_dir():
            raise InputError(f"output {str(self.path)!r}: {str(place)!r} is a file; give a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            raise InputError(
                f"output {str(self.path)!r}: {str(place)!r} cannot be written to; give another folder"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training into the folder; the first process of a run does that for all of them.

        A folder that is not there is made, and goes again where nothing was written to it. The lock ends with its
        process.

        Raises
        ------
        InputError
            If another process trains into the folder, with its number and machine, or the folder cannot be written to.
        """
        if not is_first():
            yield
            return
        self._check_place()
        lock = self.path / _LOCK
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        with ExitStack() as holding:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                taken = "another process trains into it; wait for it, or give another folder"
                holding.enter_context(alone(lock, f"output {str(self.path)!r}: {taken}"))
            except OSError as error:
                raise InputError(f"output {str(self.path)!r} cannot be written to: {error}") from error
            try:
                yield
            finally:
                # What was written to stays, and so does a folder that another process has begun to use.
                with suppress(OSError):
                    lock.unlink()
                    for folder in made:
                        folder.rmdir()

    def _is_empty(self) -> bool:
        """Return whether there is nothing but what a run leaves that is killed before it writes its configuration."""
        return not self.path.is_dir() or all(
            part.name == _LOCK or fnmatch(part.name, f".{self.config_file.name}*.tmp")
            for part in self.path.iterdir()
        )

    def holds_this_run(self) -> bool:
        """Return whether the folder holds a run of this configuration, begun or finished."""
        try:
            return not self._changed_settings()
        except (OSError, ValueError, yaml.YAMLError):
            return False

    def _own_names(self) -> set[str]:
        """Names of files and folders in the run folder that the run has written, or a killed process was writing."""
        unfinished = {
            part.name for pattern in (UNFINISHED + "*", ".*.tmp") for part in self.path.glob(pattern)
        }
        return {self.config_file.name, _OWN, _LOCK, *filter(is_plain_name, self._recorded())} | unfinished

    def _recorded(self) -> list[str]:
        """Read the names that were recorded; anybody may have written them."""
        try:
            return (self.path / _OWN).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return []

    def _own(self, *names: str) -> None:
        """Record names before they are written."""
        recorded = {self.config_file.name, _OWN, *filter(is_plain_name, self._recorded()), *names}
        write_atomically(self.path / _OWN, "\n".join(sorted(recorded)) + "\n")

    def _changed_settings(self) -> list[str]:
        before = yaml.safe_load(self.config_file.read_text(encoding="utf-8"))
        after = json.loads(json.dumps(self._config))
        # A run may be moved: where it lies is no part of what it is.
        return sorted(differences(before | {"output": ""}, after | {"output": ""}))

    def _check_same_configuration(self) -> None:
        try:
            changed = self._changed_settings()
        except (OSError, ValueError, TypeError, yaml.YAMLError):
            raise InputError(
                f"--resume: {self.config_file} cannot be read; start anew in another folder"
            ) from None
        if changed:
            raise InputError(
                f"--resume: the configuration is not the one of the run in {str(self.path)!r}; it differs in "
                f"{', '.join(changed)}. Resume with {self.config_file}, or start anew in another folder"
            )

    def begin(self, *, resume: bool, overwrite: bool) -> None:
        """Make the folder, empty but for the configuration; a run to resume stays as it is.

        Raises
        ------
        InputError
            If the folder is not what `check` has seen: another run has begun in it, or it cannot be written.
        """
        if not is_first():
            return
        self.check(resume=resume, overwrite=overwrite)
        try:
            if overwrite and self.config_file.is_file():
                self._remove()
            self._replaces = False
            self.path.mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(json.loads(json.dumps(self._config)), sort_keys=False, allow_unicode=True)
            write_atomically(self.config_file, text)
            self._own(self.checkpoints.name)
            self.checkpoints.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"output {str(self.path)!r} cannot be written to: {error}") from error

    def _remove(self) -> None:
        """Remove the run: first what makes it a finished one, last what makes it a run."""
        last = [_OWN, self.config_file.name]
        for name in [_FINISHED, *sorted(self._own_names() - {_FINISHED, _LOCK, *last}), *last]:
            discard(self.path / name)

    @contextmanager
    def abandoned_on_failure(self) -> Iterator[None]:
        """Leave nothing of a run that fails before its first checkpoint."""
        try:
            yield
        except BaseException:
            if is_first() and self.config_file.is_file() and not checkpoints(self.checkpoints):
                self._remove()
            raise

    def how_to_go_on(self) -> str:
        """Return how to continue a run that was interrupted."""
        if checkpoints(self.checkpoints) and not self._replaces:
            return "go on with --resume"
        return "there is no checkpoint yet, run the same command again; what the teacher has embedded is kept"

    def last_checkpoint(self) -> Path | None:
        """Find the newest checkpoint that is whole."""
        return on_first(lambda: last_whole(self.checkpoints))

    def save_start(self, model: SentenceTransformer) -> None:
        """Keep the student that a run begins with, where it takes long to make."""
        if is_first():
            with self._keeping(_START, "the student") as unfinished:
                model.save_pretrained(str(unfinished), create_model_card=False)

    def start(self) -> Path | None:
        """Find the student that the run began with, where it was kept and is whole."""
        start = self.checkpoints / _START
        return start if on_first(lambda: folder_damage(start)) is None else None

    def save_hard_negatives(self, negatives: Mapping[str, NDArray[np.int64]]) -> None:
        """Keep what took long to mine: ``(n, count)`` sentence numbers of each language pair."""
        if is_first():
            with self._keeping(_NEGATIVES, "the hard negatives") as unfinished:
                for name, numbers in negatives.items():
                    np.save(unfinished / f"{name}.npy", numbers, allow_pickle=False)

    def hard_negatives(self) -> dict[str, NDArray[np.int64]] | None:
        """Read the hard negatives that the run began with; None where they were not kept or are damaged."""
        return on_first(self._read_hard_negatives)

    def _read_hard_negatives(self) -> dict[str, NDArray[np.int64]] | None:
        folder = self.checkpoints / _NEGATIVES
        if folder_damage(folder) is not None:
            return None
        return {path.stem: np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))}

    @contextmanager
    def _keeping(self, name: str, what: str) -> Iterator[Path]:
        """Yield a folder beside the checkpoints for what took long to make; it is written whole or not at all."""
        with explained(
            f"{what} cannot be written to {self.checkpoints}", lambda: "Make room, or give another folder"
        ):
            # A damaged one is in the way.
            discard(self.checkpoints / name)
            with whole_folder(self.checkpoints / name) as unfinished:
                yield unfinished

    def check_same_report(self, report: Any) -> None:
        """Raise InputError where a run to resume began with other pairs."""
        if not is_first():
            return
        try:
            before = json.loads((self.path / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        # What was made from the pairs stands there too.
        before = {key: value for key, value in before.items() if key in report}
        changed = sorted(differences(before, json.loads(json.dumps(report))))
        if changed:
            raise InputError(
                f"--resume: the pairs are not those that the run in {str(self.path)!r} began with; the data report "
                f"differs in {changed[0]}. Give the same files, or start anew with --overwrite"
            )

    def save_json(self, name: str, content: Any) -> None:
        """Write a JSON file beside the model."""
        if is_first():
            self._own(name)
            write_atomically(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def save_log(self, history: Iterable[Mapping[str, float]]) -> None:
        """Write the entries of the log, with sorted keys: those that a checkpoint returns come sorted."""
        self.save_json(LOG, [dict(sorted(entry.items())) for entry in history])

    def save_text(self, name: str, text: str) -> None:
        """Write a text file beside the model."""
        if is_first():
            self._own(name)
            write_atomically(self.path / name, text)

    def save_model(self, model: SentenceTransformer) -> None:
        """Write the model; the file that makes it loadable comes last."""
        if not is_first():
            return
        unfinished = self.path / f"{UNFINISHED}model"
        discard(unfinished)
        try:
            with explained(
                f"the model cannot be written to {self.path}",
                lambda: "The checkpoints are whole; make room and go on with --resume",
            ):
                model.save_pretrained(str(unfinished), create_model_card=False)
                follow_umask(unfinished)
        except InputError:
            discard(unfinished)
            raise
        self._own(*(part.name for part in unfinished.iterdir()))
        last = self.path / f".{_FINISHED}.tmp"
        (unfinished / _FINISHED).replace(last)
        for part in unfinished.iterdir():
            place = self.path / part.name
            if place.is_dir():
                discard(place)
            part.replace(place)
        unfinished.rmdir()
        last.replace(self.path / _FINISHED)
