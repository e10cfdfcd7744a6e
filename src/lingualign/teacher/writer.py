"""Add sentences to a teacher store, segment by segment, taking turns with other processes."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sized
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from lingualign.errors import InputError
from lingualign.progress import progress_bar
from lingualign.store import build_record, taking_turns
from lingualign.vectors import FORMAT, NAME, StoredVectors, VectorManifest, keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.options import Precision

logger = logging.getLogger(__name__)

FLOAT16 = np.dtype(np.float16)
SEGMENT_ROWS = 32_768
_READ_ROWS = 8_192


@dataclass(frozen=True)
class Settings:
    """What decides a teacher vector beside the sentence: the address of a store is made of these."""

    teacher: str | None = None
    """``HUB-ID@COMMIT``, or the fingerprint of the weights; None until a model is seen."""
    prompt: str = ""
    normalize: bool = True
    dimensions: int | None = None
    """Number of leading dimensions kept; None for all."""

    def address(self) -> str:
        """Name the folder of a store by its content."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class AddReport:
    """What became of the sentences that were given: ``new + known`` is their number."""

    new: int
    """Sentences embedded now."""
    known: int
    """Sentences that needed no embedding: in the store already, or given before."""


class Writer:
    """One call of ``TeacherStore.add``.

    Parameters
    ----------
    folder
        Where the store is or will be.
    settings
        What the store must hold; ``None`` to take the store as it is, or the defaults for a new one.
    teacher
        The model; ``None`` to load it by the name in the settings, once a sentence is missing.
    precision
        As in :func:`lingualign.embedding.encode`.

    Raises
    ------
    InputError
        If the folder holds the vectors of another teacher, or of other settings, or cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings | None,
        teacher: SentenceTransformer | None,
        precision: Precision,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._teacher = teacher
        self._precision = precision
        self._fingerprint: str | None = None
        self._stored: StoredVectors | None = None
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            with self._turn():
                manifest = self._drop_deleted(VectorManifest.read(folder))
        self._follow(manifest)
        existing = None if manifest is None else self._settings_in(manifest)
        if existing is not None and settings is not None and existing != settings:
            raise InputError(
                f"the teacher store {folder} was made with {existing} and not {settings}: "
                "give another folder, or let TeacherStore.for_model choose it"
            )
        if teacher is not None and manifest is not None:
            self._check_teacher(teacher, manifest.fingerprint)
        elif (
            teacher is not None and settings is not None and settings.teacher and "@" not in settings.teacher
        ):
            self._check_teacher(teacher, settings.teacher)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell of a folder that cannot be written to; what was written before stays valid."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"the teacher store {self._folder} cannot be written to: {error.strerror or error}; make room or "
                "permit it, or give another folder"
            ) from error

    def _turn(self) -> AbstractContextManager[None]:
        """Keep other processes that add to the store waiting."""
        waiting = f"Another process adds to the teacher store {self._folder}; waiting for it."
        return taking_turns(self._folder / ".lock", waiting)

    def add(self, sentences: Iterable[str], segment_rows: int, *, progress: bool) -> AddReport:
        """Read sentences to the end, and embed those that are missing."""
        from lingualign.embedding.encode import check_sentences

        given = new = 0
        waiting: dict[bytes, str] = {}
        total = len(sentences) if isinstance(sentences, Sized) else None
        incoming = iter(sentences)
        with progress_bar("Teacher vectors", total, enabled=progress) as advance:
            while block := list(islice(incoming, _READ_ROWS)):
                check_sentences(block)
                given += len(block)
                before = len(waiting)
                waiting.update((key, sentence) for sentence, key in self._missing(block))
                advance(len(block) - (len(waiting) - before))
                while len(waiting) >= segment_rows:
                    new += self._embed(_take(waiting, segment_rows), advance)
            if waiting:
                new += self._embed(list(waiting.values()), advance)
        return AddReport(new=new, known=given - new)

    def _missing(self, sentences: list[str]) -> list[tuple[str, bytes]]:
        keys = keys_of(sentences)
        rows = np.full(len(keys), -1) if self._stored is None else self._stored.rows(keys)
        absent = np.flatnonzero(rows < 0)
        return [(sentences[row], keys[row].tobytes()) for row in absent]

    def _embed(self, sentences: list[str], advance: Callable[[int], None]) -> int:
        """Embed and write one segment, without what other processes have written since; gives its rows."""
        with self._turn():
            self._follow(VectorManifest.read(self._folder))
            missing = [sentence for sentence, _ in self._missing(sentences)]
            advance(len(sentences) - len(missing))
            if missing:
                vectors = self._encode(missing, advance)
                with self._writing():
                    self._write(missing, vectors)
            return len(missing)

    def _encode(self, sentences: list[str], advance: Callable[[int], None]) -> NDArray[np.float16]:
        from lingualign.embedding.encode import encode_batches

        teacher = self._load_teacher()
        settings = self._settings_of(teacher)
        vectors: NDArray[np.float16] | None = None
        with teacher.truncate_embeddings(settings.dimensions or teacher.truncate_dim):
            for rows, batch in encode_batches(
                teacher,
                sentences,
                prompt=settings.prompt,
                normalize=settings.normalize,
                precision=self._precision,
            ):
                if vectors is None:
                    vectors = np.empty((len(sentences), batch.shape[1]), dtype=FLOAT16)
                if np.abs(batch).max(initial=0) > np.finfo(FLOAT16).max:
                    raise InputError(
                        "the teacher's vectors are too large for the float16 of a store: use normalize=True"
                    )
                vectors[rows] = batch
                advance(len(rows))
        assert vectors is not None  # there is at least one sentence
        if settings.dimensions is not None and vectors.shape[1] < settings.dimensions:
            raise InputError(
                f"dimensions is {settings.dimensions}, but the teacher's vectors have {vectors.shape[1]}"
            )
        return vectors

    def _write(self, sentences: list[str], vectors: NDArray[np.float16]) -> None:
        from lingualign.embedding.encode import resolve_precision

        teacher = self._load_teacher()
        manifest = self._stored.manifest if self._stored is not None else None
        if manifest is None:
            settings = asdict(self._settings_of(teacher))
            manifest = VectorManifest(settings, self._fingerprint_of(teacher), vectors.shape[1])
        precision = resolve_precision(self._precision, teacher.device)
        self._follow(manifest.add(self._folder, keys_of(sentences), vectors, precision))

    def _follow(self, manifest: VectorManifest | None) -> None:
        if manifest is not None:
            opened = self._stored
            self._stored = (
                opened.follow(manifest)
                if opened is not None
                else StoredVectors(self._folder, manifest, FLOAT16)
            )

    def _drop_deleted(self, manifest: VectorManifest | None) -> VectorManifest | None:
        """Strike segments that somebody deleted, both files, off the manifest: their sentences become new."""
        if manifest is None:
            return None
        kept = manifest.drop(
            self._folder,
            lambda segment: (
                not segment.vectors_file(self._folder).exists()
                and not segment.keys_file(self._folder).exists()
            ),
        )
        if lost := sum(each.rows for each in manifest.segments) - sum(each.rows for each in kept.segments):
            logger.warning(
                "teacher store %s: deleted segments with %d vectors struck off", self._folder, lost
            )
        return kept

    def _load_teacher(self) -> SentenceTransformer:
        from lingualign.embedding.models import load_model

        if self._teacher is None:
            settings = self._settings if self._stored is None else self._settings_in(self._stored.manifest)
            name, at, revision = (settings.teacher or "" if settings else "").rpartition("@")
            if not at:
                raise InputError(
                    f"the teacher store {self._folder} lacks sentences: give model= to embed them"
                )
            self._teacher = load_model(name, revision=revision)
            if self._stored is not None:
                self._check_teacher(self._teacher, self._stored.manifest.fingerprint)
        return self._teacher

    def _check_teacher(self, teacher: SentenceTransformer, expected: str) -> None:
        given = self._fingerprint_of(teacher)
        if given != expected:
            raise InputError(
                f"the teacher store {self._folder} is for another teacher (fingerprint {expected[:12]}..., "
                f"this one's {given[:12]}...): give the teacher it was made with, or another folder"
            )

    def _fingerprint_of(self, teacher: SentenceTransformer) -> str:
        from lingualign.embedding.models import fingerprint

        if self._fingerprint is None:
            self._fingerprint = fingerprint(teacher)
        return self._fingerprint

    def _settings_of(self, teacher: SentenceTransformer) -> Settings:
        if self._stored is not None:
            return self._settings_in(self._stored.manifest)
        from lingualign.embedding.models import prompt_of

        return self._settings or Settings(self._fingerprint_of(teacher), prompt_of(teacher, None))

    def _settings_in(self, manifest: VectorManifest) -> Settings:
        try:
            return build_record(Settings, manifest.settings)
        except TypeError as error:
            raise InputError(
                f"{self._folder / NAME} is not a teacher store's manifest ({error}): delete the folder "
                f"{self._folder} and run the same command again; all its sentences are embedded anew"
            ) from error


def _take(waiting: dict[bytes, str], count: int) -> list[str]:
    keys = list(islice(waiting, count))
    return [waiting.pop(key) for key in keys]
