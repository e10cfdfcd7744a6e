"""The sentence-transformers trainer, with this project's batches, checkpoints and rules for stopping."""

from __future__ import annotations

import json
import logging
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformerTrainer
from transformers import EarlyStoppingCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from lingualign.errors import InputError, first_line, is_out_of_memory
from lingualign.store import folder_damage, whole_folder
from lingualign.training.batches import Prefetched
from lingualign.training.checkpoints import checkpoints, explained, keep_only
from lingualign.training.distributed import any_process, gathered, is_first, on_first, process_count, together
from lingualign.training.encoder_options import adapters, digest_of_frozen, has_adapters
from lingualign.training.out_of_memory import largest_that_fits
from lingualign.training.rowwise import RowwiseAdamW, train_rowwise

logger = logging.getLogger(__name__)

_ADAPTERS = "adapters.safetensors"
_SUMS = "sums_{}.json"
"""What a process has summed up since the last entry of the log."""
_TIMINGS = ("_runtime", "_per_second")
_BESIDE = "trained_beside"

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
    from sentence_transformers.base.evaluation import BaseEvaluator
    from torch import nn
    from torch.utils.data import DataLoader

    from lingualign.training.batches import PairBatches


class AlignmentTrainer(SentenceTransformerTrainer):
    """Train on `PairBatches`.

    Beside the host's trainer: batches come from one language pair each, on all processes; a static student's
    optimizer updates only the rows of a batch's tokens; the loss's diagnostics are logged beside its terms; a loss
    that is not finite stops the run before it reaches the weights; checkpoints are written whole or not at all.

    Parameters
    ----------
    model
        The student.
    args
        Arguments of the host's trainer. Checkpoints go below ``args.output_dir``.
    batches
        What to train on.
    loss
        From `lingualign.losses`, or any other of the host's form.
    evaluator
        Scores the student at each evaluation; None where there are none.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        args: SentenceTransformerTrainingArguments,
        batches: PairBatches,
        loss: nn.Module,
        evaluator: BaseEvaluator | None,
    ) -> None:
        self.batches = batches
        self.rowwise = train_rowwise(model)
        self._language_pair = ""
        # Adapters stand beside weights that do not change: what does is all that a checkpoint needs.
        self._adapted = has_adapters(model)
        self._prefetched: Prefetched[dict[str, Any]] | None = None
        super().__init__(model=model, args=args, loss=loss, evaluator=evaluator)
        # With it the host would write the tokenizer's special tokens over those of the model's own configuration. The
        # model saves its tokenizer itself.
        self.processing_class = None

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the batches as they are: they know their share of each step, so nothing has to deal them out."""
        return self.batches.loader()

    def get_batch_samples(self, epoch_iterator: Any, *args: Any, **kwargs: Any) -> Any:
        """On a GPU, take batches from a thread that makes the next one already."""
        # Each step waits for its loss, and so for all the GPU's work: it would stand still while a batch is made. On
        # a CPU the thread would only take turns with the step.
        if self.args.device.type != "cuda":
            return super().get_batch_samples(epoch_iterator, *args, **kwargs)
        if self._prefetched is None:
            self._prefetched = Prefetched(epoch_iterator)
        return super().get_batch_samples(self._prefetched, *args, **kwargs)

    def _run_epoch(self, *, epoch: int, **kwargs: Any) -> None:  # type: ignore[override]
        # Here and not on the loader: a resumed epoch skips batches through a loader that the host makes itself.
        if self._prefetched is not None:
            self._prefetched.close()
            self._prefetched = None
        if kwargs["resume_from_checkpoint"] is not None and epoch == kwargs["epochs_trained"]:
            self._load_sums(Path(kwargs["resume_from_checkpoint"]))
        self.batches.set_epoch(epoch)
        if self._stopped_early() or self.state.global_step >= self.state.max_steps:
            # Killed between its last checkpoint and its end, a run that is resumed must not take another step.
            self.control.should_training_stop = True
            return
        told = ""
        try:
            super()._run_epoch(epoch=epoch, **kwargs)  # type: ignore[no-untyped-call]
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            told = first_line(error)
        if told:
            # A forward or backward pass says itself what would have fitted.
            trained = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
            raise InputError(
                f"out of memory beside the passes of step {self.state.global_step + 1} ({told}). {self._whole()}"
                f"The optimizer keeps two numbers for each of the {trained:,} that it trains: train fewer "
                "(training.lora.rank, student.trim, a smaller student.vocabulary or student), or free memory, and "
                "start anew with --overwrite"
            )

    def _stopped_early(self) -> bool:
        return any(
            callback.early_stopping_patience_counter >= callback.early_stopping_patience
            for callback in self.callback_handler.callbacks
            if isinstance(callback, EarlyStoppingCallback)
        )

    def _init_training_state(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        """Find the best checkpoint again where it lies now, which need not be where it was written."""
        trained: tuple[int, int] = super()._init_training_state(*args, **kwargs)
        if self.state.best_global_step:
            best = self._checkpoint(self.state.best_global_step)
            damage = folder_damage(best) if best.is_dir() else "it is gone"
            self.state.best_model_checkpoint = None if damage else str(best)
            if damage and self.state.best_global_step <= self.state.global_step:
                logger.warning(
                    "%s held the best model so far, but %s; the best from here on counts.", best, damage
                )
                self.state.best_metric = None
        return trained

    def _checkpoint(self, step: int) -> Path:
        return Path(str(self.args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{step}"

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW, or its row-wise sparse form for a static student, whose embedding is all there is to train."""
        if not self.rowwise:
            return super().create_optimizer(model)
        if self.optimizer is None:
            parameters = [p for p in self.model.parameters() if p.requires_grad]
            self.optimizer = RowwiseAdamW(
                parameters, lr=self.args.learning_rate, weight_decay=self.args.weight_decay
            )
        return self.optimizer

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        """Scale the gradients to a norm of ``max_grad_norm`` at most: torch clips no sparse ones."""
        if not self.rowwise:
            return super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        values = [gradient._values() if gradient.is_sparse else gradient for gradient in gradients]
        norm = torch.stack([value.norm() for value in values]).norm()
        scale = self.args.max_grad_norm / (norm + 1e-6)
        for value in values if scale < 1 else ():
            value.mul_(scale)
        return norm

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Remember the language pair, which the host takes out of the inputs, for the message of `training_step`."""
        self._language_pair = inputs.get("dataset_name", "")
        return super().compute_loss(model, inputs, *args, **kwargs)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Do a forward and backward pass; refuse a loss that is not finite, before the optimizer sees it."""
        told = ""
        try:
            loss: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            told = first_line(error)
        if told:
            # After the error has gone, and all that its traceback holds with it.
            raise self._out_of_memory(inputs, told)
        finite = bool(torch.isfinite(loss))
        if any_process(not finite):
            with together():
                if not finite:
                    raise self._diverged(f"the loss is {loss.item()} at step {self.state.global_step + 1}")
        return loss

    def _out_of_memory(self, inputs: dict[str, Any], told: str) -> InputError:
        """Make the error that says what would have fitted."""
        features, _ = self.collect_features(inputs)
        pairs = self.args.per_device_train_batch_size
        total = pairs * process_count()
        step = self.state.global_step + 1
        what = f"out of memory at step {step}, with {pairs:,} pairs a device ({told}). {self._whole()}"
        anew = "and start anew with --overwrite"
        if self.rowwise or not hasattr(self.loss, "mini_batch_size"):
            return InputError(f"{what}Lower training.batch_size, {total:,} now, {anew}")
        mini: int | None = self.loss.mini_batch_size
        with self.compute_loss_context_manager():
            fits = largest_that_fits(
                self.model,
                [self._prepare_inputs(column) for column in features],
                self.optimizer,
                below=mini or pairs * len(features),
                columns=total,
            )
        if not fits:
            return InputError(
                f"{what}Not even one sentence at a time fits beside the model and the similarities of the batch: lower "
                f"training.batch_size, {total:,} now, or take a smaller student, {anew}"
            )
        # Half, since other batches have longer sentences and memory falls into pieces.
        tried = (
            "of which twice as many have been tried and fit" if fits > 1 else "which has been tried and fits"
        )
        return InputError(f"{what}Set loss.mini_batch_size to {max(fits // 2, 1)}, {tried}, {anew}")

    def _diverged(self, what: str) -> InputError:
        return InputError(
            f"{what} in a batch of {self._language_pair}: training has diverged. {self._whole()}"
            "Lower training.learning_rate or raise loss.temperature, and start anew with --overwrite"
        )

    def _check_weights(self) -> None:
        """Raise InputError before a model that the last step has ruined is scored or saved."""
        if not all(torch.isfinite(parameter).all() for parameter in self.model.parameters()):
            raise self._diverged(f"weights are not finite after step {self.state.global_step}")

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score the model; one that the last step has ruined is refused before it becomes a checkpoint."""
        try:
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        except InputError as error:
            raise self._diverged(f"after step {self.state.global_step} {error}. That step was") from error
        return metrics

    def track_loss_components(self, loss: dict[str, torch.Tensor]) -> None:
        """Count the diagnostics of the loss with its terms: the log has their means over steps and processes."""
        super().track_loss_components(loss | getattr(self.loss, "diagnostics", {}))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log what follows from the run alone: timings, and the host's summary of them, differ from one to the next."""
        if "train_runtime" in logs:
            return
        super().log({key: value for key, value in logs.items() if not key.endswith(_TIMINGS)}, start_time)

    def _whole(self) -> str:
        """Return a sentence on the last checkpoint of a run that fails; empty where there is none."""
        found = checkpoints(Path(str(self.args.output_dir)))
        return f"The last checkpoint, {found[-1]}, is whole. " if found else ""

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write what `train(resume_from_checkpoint=...)` needs; this one, the one before and the best are kept."""
        checkpoint = self._checkpoint(self.state.global_step)
        best = self._checkpoint(self.state.best_global_step or 0)
        if best == checkpoint or best.is_dir():
            self.state.best_model_checkpoint = str(best)
        if on_first(checkpoint.is_dir):
            return
        with together():
            self._check_weights()
        own_files = gathered(self._own_files())
        with together():
            if is_first():
                self._write_checkpoint(
                    checkpoint, best, {name: file for files in own_files for name, file in files.items()}
                )

    def _own_files(self) -> dict[str, bytes]:
        """Return the files of this process alone, by name: its random state, as the host keeps it, and its sums."""
        with TemporaryDirectory() as folder:
            self._save_rng_state(folder)
            files = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        sums = {
            "loss": self._tr_loss.item(),
            "since": self._globalstep_last_logged,
            "terms": {name: value.item() for name, value in self.accum_loss_components["train"].items()},
        }
        return files | {_SUMS.format(self.args.process_index): json.dumps(sums).encode()}

    def _load_sums(self, checkpoint: Path) -> None:
        """Continue the sums of a checkpoint, so that the next entry of the log is the one it would have been."""
        file = checkpoint / _SUMS.format(self.args.process_index)
        if not file.is_file():
            return
        sums = json.loads(file.read_text(encoding="utf-8"))
        self._tr_loss += sums["loss"]
        self._globalstep_last_logged = sums["since"]
        self.accum_loss_components["train"] = {
            name: torch.tensor(value, device=self.args.device) for name, value in sums["terms"].items()
        }

    @cached_property
    def _frozen(self) -> str:
        return digest_of_frozen(self.model)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:  # type: ignore[override]
        """Load the model, or the adapters where these alone are trained: the rest is as it was at the start."""
        if not self._adapted:
            super()._load_from_checkpoint(checkpoint_path)
            return
        path = Path(checkpoint_path) / _ADAPTERS
        with safe_open(path, "pt") as file:
            trained_beside = file.metadata()[_BESIDE]
        if trained_beside != self._frozen:
            raise InputError(
                f"the adapters in {checkpoint_path} were trained beside other weights than those of the student now; "
                "give the model that the run began with (student.revision holds a hub model fast), or start anew with "
                "--overwrite"
            )
        found = load_file(path)
        with torch.no_grad():
            for name, value in adapters(self.model).items():
                value.copy_(found[name])

    def _write_checkpoint(self, checkpoint: Path, best: Path, own_files: dict[str, bytes]) -> None:
        with (
            explained(
                f"the checkpoint of step {self.state.global_step} cannot be written to {checkpoint.parent}",
                lambda: f"{self._whole()}Make room and go on with --resume",
            ),
            whole_folder(checkpoint) as unfinished,
        ):
            if self._adapted:
                save_file(adapters(self.model), unfinished / _ADAPTERS, metadata={_BESIDE: self._frozen})
            else:
                self.save_model(str(unfinished), _internal_call=True)
            self._save_optimizer_and_scheduler(str(unfinished))
            self._save_scaler(str(unfinished))
            for name, content in own_files.items():
                (unfinished / name).write_bytes(content)
            self._save_state(unfinished / "trainer_state.json")
        kept = {path.name for path in checkpoints(checkpoint.parent)[-2:]}
        keep_only(checkpoint.parent, kept | {best.name})

    def _save_state(self, path: Path) -> None:
        from transformers.trainer_callback import ExportableState

        exportable = [
            c for c in [*self.callback_handler.callbacks, self.control] if isinstance(c, ExportableState)
        ]
        for callback in exportable:
            self.state.stateful_callbacks[type(callback).__name__] = callback.state()  # type: ignore
        self.state.save_to_json(str(path))
