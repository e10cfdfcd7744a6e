"""Check of a model's weights against its config: missing ones would be random."""

from __future__ import annotations

import re
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sentence_transformers import SentenceTransformer

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
# No public call of transformers reports missing weights before it replaces them. Other versions are not checked.
_HOOKS = (
    "_finalize_model_loading",
    "_adjust_missing_and_unexpected_keys",
    "mark_tied_weights_as_initialized",
)
_CURE = "take config.json and weights of one model"


@contextmanager
def fitting_weights(name: str) -> Iterator[set[str]]:
    """Compare the weights that transformers finds with the architecture, before it replaces missing ones.

    Yields
    ------
    set of str
        Set that gets the missing weights of poolers: most sentence embeddings do not need them, see `check_poolers`.
        They are set to 0, since random ones would give every copy another fingerprint.

    Raises
    ------
    InputError
        If weights are missing or have another shape, or layers of the file have no place in the model.
    """
    import torch
    from transformers import PreTrainedModel

    poolers: set[str] = set()
    if not all(hasattr(PreTrainedModel, each) for each in _HOOKS):
        yield poolers
        return
    finalize = PreTrainedModel.__dict__["_finalize_model_loading"]

    def checked(model: Any, load_config: Any, loading_info: Any) -> Any:
        missing = _check_fit(name, model, loading_info)
        finished = finalize.__func__(model, load_config, loading_info)
        with torch.no_grad():
            for key in missing:
                model.get_parameter(key).zero_()
        poolers.update(missing)
        return finished

    PreTrainedModel._finalize_model_loading = staticmethod(checked)  # type: ignore[method-assign]
    try:
        yield poolers
    finally:
        PreTrainedModel._finalize_model_loading = finalize  # type: ignore[method-assign]


def check_poolers(name: str, model: SentenceTransformer, missing: set[str]) -> None:
    """Raise InputError if the vectors of a model come from a pooler whose weights its files lack."""
    ways = getattr(model[0], "modality_config", None) or {}
    if missing and any("pooler_output" in str(way.get("method_output_name")) for way in ways.values()):
        raise InputError(_message(name, [f"{min(missing)} is missing"], len(missing)))


def _check_fit(name: str, model: Any, loading_info: Any) -> set[str]:
    """Raise InputError for misfits; return the missing weights of poolers."""
    model.mark_tied_weights_as_initialized(loading_info)
    rest = copy(loading_info)
    model._adjust_missing_and_unexpected_keys(rest)
    wanted = {key for key, _ in model.named_parameters()}
    missing = rest.missing_keys & wanted - _tied_to_others(model, loading_info.missing_keys)
    poolers = {key for key in missing if any("pooler" in part for part in key.split("."))}
    faults = [f"{key} is missing" for key in sorted(missing - poolers)]
    faults += [
        f"{key} is {_shape(found)}, where it should be {_shape(asked)}"
        for key, found, asked in sorted(rest.mismatched_keys)
    ]
    faults += [f"{key} has no place" for key in _further_layers(model, rest.unexpected_keys, wanted)]
    if faults:
        raise InputError(_message(name, faults, len(faults)))
    return poolers


def _tied_to_others(model: Any, missing: set[str]) -> set[str]:
    """Return the weights that are copies of others in the file, whichever of them it holds."""
    groups: dict[str, set[str]] = {}
    for copied, source in model.all_tied_weights_keys.items():
        groups.setdefault(source, {source}).add(copied)
    return set().union(*(group for group in groups.values() if group - missing))


def _further_layers(model: Any, unexpected: Iterable[str], wanted: set[str]) -> list[str]:
    """Return the weights that differ from the model's only in the number of their layer."""
    prefix = f"{model.base_model_prefix}."
    kinds = {_NUMBER.sub("*", key) for key in wanted}
    return sorted(
        key
        for key in unexpected
        if _NUMBER.search(key) and _NUMBER.sub("*", key.removeprefix(prefix)) in kinds
    )


def _message(name: str, faults: list[str], count: int) -> str:
    others = f", and so it is with {count - 1:,} more" if count > 1 else ""
    return f"model {name!r}: its weights do not fit its config ({faults[0]}{others}); {_CURE}"


def _shape(sizes: Iterable[int]) -> str:
    return " x ".join(map(str, sizes))
