"""Keep a teacher's vectors on disk: every distinct sentence is embedded once, whatever happens in between.

A store is a folder. Each segment of it is a pair of files, the vectors (``float16``) and the sentences'
keys (16 bytes each), written whole or not at all; the manifest names the segments that count, with their
checksums.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.errors import InputError
from lingualign.teacher.writer import FLOAT16, SEGMENT_ROWS, AddReport, Settings, Writer
from lingualign.vectors import StoredVectors, VectorManifest, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.options import Precision


class TeacherStore:
    """The vectors a teacher gives to sentences, on disk.

    Nothing is opened before it is needed, and a store travels to other processes as its path.

    Parameters
    ----------
    folder
        Where the store is, or will be once sentences are added. See :meth:`for_model` for a folder named by
        the teacher.

    Examples
    --------
    >>> store = TeacherStore.for_model("teacher", "minilm")  # doctest: +SKIP
    >>> store.add(["A cat sleeps.", "Two dogs run."])  # doctest: +SKIP
    AddReport(new=2, known=0)
    >>> store[store.rows(["Two dogs run."])].shape  # doctest: +SKIP
    (1, 384)
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._settings: Settings | None = None
        self._model: SentenceTransformer | None = None
        self._stored: StoredVectors | None = None

    @classmethod
    def for_model(
        cls,
        root: str | Path,
        model: str | SentenceTransformer,
        *,
        revision: str | None = None,
        prompt: str | None = None,
        normalize: bool = True,
        dimensions: int | None = None,
    ) -> TeacherStore:
        """Give the store of a teacher below ``root``: the same teacher and settings find the same folder.

        Parameters
        ----------
        root
            The folder that holds stores.
        model
            The teacher, or its name for :func:`lingualign.embedding.load_model`. A hub id with a full commit
            as ``revision`` is its own name; any other model is named by the fingerprint of its weights.
        revision
            Branch, tag or commit of a hub model.
        prompt
            Text put before every sentence, such as ``"query: "`` for E5. None takes the model's own default prompt,
            for which the model is loaded; ``""`` is no prompt.
        normalize
            Whether the vectors have length 1.
        dimensions
            Number of leading dimensions to keep; all by default.

        Raises
        ------
        InputError
            If the model cannot be loaded, or does not have that many dimensions.
        """
        from lingualign.embedding.models import fingerprint, load_model, prompt_of

        if dimensions is not None and dimensions < 1:
            raise InputError(f"dimensions is {dimensions}: it must be at least 1")
        pinned = isinstance(model, str) and _is_commit(revision) and not Path(model).expanduser().exists()
        loaded: SentenceTransformer | None = None
        if not pinned or prompt is None:
            loaded = load_model(model, revision=revision) if isinstance(model, str) else model
            prompt = prompt_of(loaded, prompt)
        name = f"{model}@{revision}" if pinned or loaded is None else fingerprint(loaded)
        settings = Settings(name, prompt, normalize, dimensions)
        store = cls(Path(root) / settings.address())
        store._settings = settings
        store._model = loaded
        return store

    def add(
        self,
        sentences: Iterable[str],
        *,
        model: str | SentenceTransformer | None = None,
        precision: Precision = "auto",
        segment_rows: int = SEGMENT_ROWS,
        progress: bool = False,
    ) -> AddReport:
        """Embed the sentences that are not in the store yet.

        The sentences are read once, in memory that does not grow with their number beyond 16 bytes for each
        in the store. Killed at any moment, the store keeps every segment written so far. Processes that add
        at the same time take turns by segments, and none embeds what another has.

        Parameters
        ----------
        sentences
            Any number of sentences, in any order, repeated or not.
        model
            The teacher, or its name; not needed after :meth:`for_model`.
        precision
            As in :func:`lingualign.embedding.encode`.
        segment_rows
            Sentences embedded and written together: what an interruption can lose.
        progress
            Whether to show a progress bar on standard error.

        Raises
        ------
        InputError
            If the store belongs to another teacher, the teacher cannot be loaded, a sentence is not text, or
            a file of the store is damaged.
        """
        from lingualign.embedding.models import load_model

        if isinstance(sentences, str):
            raise InputError("sentences is a single text: give a list of texts, such as [text]")
        if segment_rows < 1:
            raise InputError(f"segment_rows is {segment_rows}: it must be at least 1")
        teacher: SentenceTransformer | None
        teacher = load_model(model) if isinstance(model, str) else model or self._model
        writer = Writer(self.folder, self._settings, teacher, precision)
        report = writer.add(sentences, segment_rows, progress=progress)
        self._stored = None
        return report

    def rows(self, sentences: Sequence[str]) -> NDArray[np.int64]:
        """Look up the rows of sentences; rows keep their numbers when more sentences are added.

        Returns
        -------
        ndarray of int64, shape (sentences,)

        Raises
        ------
        InputError
            If a sentence is not in the store, or a segment that holds one of them was altered after it was written.
        """
        keys = keys_of(sentences)
        rows = self._opened().rows(keys)
        if (rows < 0).any():
            # Another process may have added them since this one opened the store.
            self._stored = None
            rows = self._opened().rows(keys)
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            raise InputError(
                f"the teacher store {self.folder} has no vector for {len(missing)} of {len(keys)} sentences, "
                f"first {sentences[missing[0]]!r}: add them, equal to the letter, with TeacherStore.add"
            )
        return rows

    def __getitem__(self, rows: ArrayLike) -> NDArray[np.float16]:
        """Read the vectors of some rows, float16 of shape (rows, dimensions)."""
        return self._opened().vectors(np.asarray(rows, dtype=np.int64).reshape(-1))

    def __len__(self) -> int:
        """Count the vectors; 0 before anything is added."""
        if VectorManifest.read(self.folder) is None:
            return 0
        return len(self._opened())

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""
        return self._opened().manifest.width

    @property
    def shape(self) -> tuple[int, int]:
        """Number and width of the vectors."""
        return len(self), self.dimensions

    def verify(self) -> None:
        """Read every file and compare it with its checksum.

        Raises
        ------
        InputError
            If a file is missing or damaged: its name, and the cure.
        """
        self._stored = None
        self._opened().verify()

    def __getstate__(self) -> dict[str, Any]:
        """Travel as a path: neither maps nor models go to other processes."""
        return {**self.__dict__, "_model": None, "_stored": None}

    def __repr__(self) -> str:
        return f"TeacherStore({str(self.folder)!r})"

    def _opened(self) -> StoredVectors:
        if self._stored is None:
            manifest = VectorManifest.read(self.folder)
            if manifest is None:
                raise InputError(
                    f"{self.folder} holds no teacher store yet: add sentences with TeacherStore.add"
                )
            self._stored = StoredVectors(self.folder, manifest, FLOAT16)
        return self._stored


def _is_commit(revision: str | None) -> bool:
    return revision is not None and len(revision) == 40 and set(revision) <= set("0123456789abcdef")
