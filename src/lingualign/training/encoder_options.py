"""Options of training that reach into an encoder: rates by layer, activations computed again, low-rank adapters."""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentence_transformers import SentenceTransformer

    from lingualign.training.config import LoraConfig


def layer_rates(student: SentenceTransformer, rate: float, decay: float) -> dict[str, float]:
    """Give each layer of an encoder its learning rate: ``rate * decay ** d``, d layers below the top one.

    What comes before the first layer, the embeddings, is as far below it as a layer would be; all else keeps ``rate``.

    Returns
    -------
    dict of str to float
        Rates by patterns of parameter names, as sentence-transformers' ``learning_rate_mapping`` takes them.

    Raises
    ------
    InputError
        If the encoder has no layers to tell apart.
    """
    encoder = _encoder(student)
    stacks = [(name, module) for name, module in encoder.named_modules() if isinstance(module, nn.ModuleList)]
    name, layers = max(stacks, key=lambda stack: len(stack[1]), default=("", nn.ModuleList()))
    if len(layers) < 2:
        raise InputError(
            f"training.layer_decay is {decay}, but {type(encoder).__name__} has no layers to tell apart; leave it out"
        )
    names = [parameter for parameter, _ in encoder.named_parameters()]
    first = next(place for place, parameter in enumerate(names) if parameter.startswith(f"{name}."))
    below = "|".join(map(re.escape, names[:first]))
    rates = {rf"\.({below})$": rate * decay ** len(layers)} if below else {}
    for place in range(len(layers)):
        rates[rf"\.{re.escape(name)}\.{place}\."] = rate * decay ** (len(layers) - 1 - place)
    return rates


@contextmanager
def gradient_checkpointing(student: SentenceTransformer) -> Iterator[None]:
    """Keep the input of each layer alone and compute the rest again for the gradient.

    Raises
    ------
    InputError
        If the encoder does not know how to.
    """
    encoder = _encoder(student)
    # "activation" from transformers 5.2x on, where the older name warns.
    kind = "activation" if hasattr(encoder, "activation_checkpointing_enable") else "gradient"
    enable, disable = (getattr(encoder, f"{kind}_checkpointing_{verb}") for verb in ("enable", "disable"))
    try:
        enable({"use_reentrant": False})
    except ValueError as error:
        raise InputError(
            f"training.gradient_checkpointing is true, but {type(encoder).__name__} does not support it; leave it out"
        ) from error
    try:
        yield
    finally:
        disable()


def add_lora(student: SentenceTransformer, config: LoraConfig, seed: int) -> None:
    """Freeze an encoder and put low-rank adapters (Hu et al., 2021) beside its linear layers; they begin at 0.

    Raises
    ------
    InputError
        If it has no such layers.
    """
    import peft

    encoder = _encoder(student)
    student.requires_grad_(False)
    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=config.target or "all-linear",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            peft.inject_adapter_in_model(settings, encoder)
        except ValueError as error:
            linear = {
                name.rpartition(".")[2]
                for name, part in encoder.named_modules()
                if isinstance(part, nn.Linear)
            }
            raise InputError(
                f"training.lora.target is {config.target}, which names no layer of {type(encoder).__name__}; it has "
                f"{', '.join(sorted(linear))}"
            ) from error


def merge_lora(student: SentenceTransformer) -> None:
    """Add the adapters to the weights that they stand beside: the plain encoder again, with the same vectors."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    encoder = _encoder(student)
    adapted = [(name, part) for name, part in encoder.named_modules() if isinstance(part, BaseTunerLayer)]
    for name, part in adapted:
        part.merge()
        parent, _, own = name.rpartition(".")
        setattr(encoder.get_submodule(parent), own, part.get_base_layer())
    del encoder.peft_config
    student.requires_grad_(True)


def has_adapters(student: SentenceTransformer) -> bool:
    """Return whether `add_lora` has added adapters."""
    return hasattr(student.transformers_model, "peft_config")


def adapters(student: nn.Module) -> dict[str, torch.Tensor]:
    """Name the trained tensors of a student with adapters."""
    return {name: value.detach() for name, value in student.named_parameters() if value.requires_grad}


def digest_of_frozen(student: nn.Module) -> str:
    """Name the weights that adapters stand beside, by a SHA-256 digest."""
    digest = hashlib.sha256()
    for name, value in student.named_parameters():
        if not value.requires_grad:
            digest.update(f"{name} {tuple(value.shape)} {value.dtype} ".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _encoder(student: SentenceTransformer) -> Any:
    return student.transformers_model
