"""Checkpoints: asynchronous orbax saves and a checksum of every leaf. A damaged one falls back to the previous."""

import copy
import errno
import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from jaxgen.devices import processes
from jaxgen.errors import UserError
from jaxgen.metrics import direction
from jaxgen.training.checkpoint_manager import Manager, StepFolders
from jaxgen.training.checkpoint_ranks import Ranks, check_meta, meta_checksum

PyTree = Any
log = logging.getLogger(__name__)
# orbax warns of every folder that it was asked to leave as it is.
logging.getLogger("absl").addFilter(lambda record: not str(record.msg).startswith("Given directory is read only"))


def checksums(state: PyTree) -> dict[str, str]:
    """SHA-256 of every leaf's bytes, shape and dtype, by its path. The state must be whole on this process."""
    sums = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(processes.whole(state))[0]:
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        sums[jax.tree_util.keystr(path)] = array_checksum(leaf)
    return sums


def array_checksum(array) -> str:
    """SHA-256 of an array's bytes, shape and dtype."""
    array = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    digest.update(array.data if array.ndim else array.tobytes())
    return digest.hexdigest()


class Checkpoints:
    """The checkpoints of one work directory: `<folder>/<step>/`, each with the whole state and a JSON item.

    Args:
      folder: made if missing.
      keep: number of newest checkpoints to keep.
      best_metric: the metric whose best checkpoint is kept as well, "" for none.
      better: direction of `best_metric`, as in `jaxgen.metrics.direction`.
      read_only: nothing is saved or removed, so that a running training is not disturbed.
    """

    def __init__(self, folder: Path, keep: int, best_metric: str = "", better: str = "lower", read_only: bool = False):
        self.folder = folder.absolute()
        self._ranks = Ranks(self.folder, best_metric, better)
        self._best_metric = best_metric
        policies = [LatestN(keep)]
        best_fn = None
        if best_metric and not read_only:
            if processes.is_primary():
                self._ranks.repair()
            processes.wait_for_all("ranks_repaired")

            # orbax writes metrics only where it has a best_fn, and its own best-only rule would drop the newest.
            def best_fn(metrics):
                return direction.loss(better, metrics[best_metric])

            policies.append(BestN(get_metric_fn=best_fn, reverse=True, n=1, keep_checkpoints_without_metrics=False))
        self._options = ocp.CheckpointManagerOptions(
            preservation_policy=AnyPreservationPolicy(policies),
            best_fn=best_fn,
            best_mode="min",
            cleanup_tmp_directories=not read_only,
            create=not read_only,
            enable_async_checkpointing=True,
            read_only=read_only,
            save_interval_steps=0 if read_only else 1,
            step_name_format=StepFolders(),
        )
        self._manager = self._open()

    def _open(self) -> Manager:
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file, where the folder of the checkpoints is due. Move it away")
        return Manager(self.folder, options=self._options)

    def steps(self) -> list[int]:
        """Steps that have a finished checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def best_step(self) -> int | None:
        """The step whose checkpoint has the best metric, or None."""
        return self._ranks.best(self.steps()) if self._best_metric else None

    def step_of(self, which: str) -> int | None:
        """The step of checkpoint `which`: "best", or a number. None for "latest", which may fall back on another step.

        Raises:
          UserError: another value, or no checkpoint was ranked.
        """
        if which == "best":
            if (step := self.best_step()) is None:
                raise UserError(
                    "--checkpoint=best: no checkpoint was ranked. Train with config.best_metric and config.eval_every"
                )
            return step
        if which != "latest" and not which.isdigit():
            raise UserError(f"--checkpoint={which!r}: choices: latest, best, or the number of a step")
        return None if which == "latest" else int(which)

    def save(self, step: int, state: PyTree, meta: dict, metrics: dict | None = None) -> None:
        """Starts to save. Returns when the state is copied, so that training may continue.

        Args:
          step: name of the checkpoint. An existing checkpoint is left unchanged.
          state: device arrays.
          meta: JSON-able values that the loop needs besides the state.
          metrics: for `best_metric`.

        Raises:
          UserError: the disk is full. Earlier checkpoints stay.
        """
        if step in self._manager.all_steps():
            return
        # orbax writes the JSON later, in another thread: the caller's lists may have grown by then.
        meta = copy.deepcopy(meta)
        if not self._best_metric or not metrics or self._best_metric not in metrics:
            metrics = None
        meta = {**meta, **({"metrics": metrics} if metrics else {}), "checksums": checksums(state)}
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            meta=ocp.args.JsonSave({**meta, "meta_checksum": meta_checksum(meta)}),
        )
        self._guard(lambda: self._manager.save(step, args=items, metrics=metrics))

    def wait(self) -> None:
        """Waits until all started saves are on disk.

        Raises:
          UserError: the disk is full. Earlier checkpoints stay.
        """
        self._guard(self._manager.wait_until_finished)

    def close(self) -> None:
        """Waits, then releases the manager's threads."""
        self.wait()
        self._manager.close()

    def restore(self, abstract: PyTree, step: int | None = None) -> tuple[PyTree, dict] | None:
        """State and `meta` of a checkpoint, chosen as by `first_whole`."""
        return self.first_whole(lambda candidate: self._restore_one(candidate, abstract), step)

    def first_whole(self, read: Callable[[int], Any], step: int | None = None) -> Any | None:
        """The result of `read(step)` for the newest whole checkpoint (or for `step`). None without checkpoints.

        `read` raises an error for a damaged checkpoint. The error is reported, and the checkpoint before is tried.

        Raises:
          UserError: all checkpoints are damaged, or the checkpoint `step` is missing or damaged.
        """
        steps = self.steps()
        if step is not None and step not in steps:
            raise UserError(f"{self.folder}: no checkpoint of step {step}. There are {steps or 'none'}")
        candidates = [step] if step is not None else steps[::-1]
        for candidate in candidates:
            try:
                return read(candidate)
            except Exception as error:
                # Truncated files raise anything (JSONDecodeError, ValueError, bare Exception): all mean damage here,
                # and none is swallowed: it is logged, and the end of the line is an error.
                reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                log.error("checkpoint %d is damaged (%s). Trying the checkpoint before it", candidate, reason)
                if step is not None:
                    raise UserError(f"{self.folder / str(step)} is damaged: {reason}") from error
        if candidates:
            raise UserError(
                f"{self.folder}: all checkpoints {steps} are damaged. The log says why. "
                "Move the folder away to train from the start"
            )
        return None

    def set_aside_after(self, step: int) -> None:
        """Moves checkpoints after `step` out of the way. They are damaged if an earlier one was restored."""
        late = [s for s in self.steps() if s > step]
        if not late:
            return
        self._manager.close()
        processes.wait_for_all("before_set_aside")
        if processes.is_primary():
            aside = self.folder.with_name(self.folder.name + "_damaged")
            aside.mkdir(exist_ok=True)
            for s in late:
                shutil.rmtree(aside / str(s), ignore_errors=True)
                shutil.move(self.folder / str(s), aside / str(s))
                log.error("moved damaged checkpoint %d to %s", s, aside)
        processes.wait_for_all("after_set_aside")
        self._manager = self._open()

    def _restore_one(self, step: int, abstract: PyTree) -> tuple[PyTree, dict]:
        items = ocp.args.Composite(state=ocp.args.StandardRestore(abstract), meta=ocp.args.JsonRestore())
        restored = self._manager.restore(step, args=items)
        check_meta(restored.meta)
        actual = checksums(restored.state)
        expected = restored.meta["checksums"]
        wrong = sorted(set(actual) ^ set(expected)) or [name for name in actual if actual[name] != expected[name]]
        if wrong:
            raise ValueError(f"checksum of {len(wrong)} arrays differs, first {wrong[0]}")
        return restored.state, restored.meta

    def _guard(self, action) -> None:
        try:
            action()
        except Exception as error:
            if not _is_disk_full(error):
                raise
            kept = self.steps()
            raise UserError(
                f"{self.folder}: the disk is full, so the checkpoint was not saved. The checkpoints {kept} are whole. "
                "Free some space and run the same command again"
            ) from error


def _is_disk_full(error: BaseException | None) -> bool:
    # orbax and tensorstore wrap the system's error in their own: look along the chain, and at the words.
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(error) or "RESOURCE_EXHAUSTED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
