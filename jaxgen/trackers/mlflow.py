"""MLflow, by its client (extra `mlflow`): a server, a database file or a folder.

`MLFLOW_TRACKING_URI` says where, `MLFLOW_EXPERIMENT_NAME` under which name (default: jaxgen).
"""

import os
import re
import time
from collections.abc import Mapping

from jaxgen.settings.configuration import flatten
from jaxgen.trackers.base import TrackedRun, Tracker, identity

PACKAGES = ("mlflow",)
_TAG = "jaxgen.id"
_LONGEST = 6_000  # characters that MLflow takes as the value of a parameter
_AT_ONCE = 100  # parameters


def open_tracker(run: TrackedRun) -> "MLflow":
    """A run there for each seed. The tag `jaxgen.group` holds the name of their work directory."""
    return MLflow(run)


class MLflow(Tracker):
    """A run of MLflow, found again by a tag."""

    def __init__(self, run: TrackedRun):
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._metric, self._client, self._folder = Metric, MlflowClient(), run.folder
        client, own = self._client, identity(run)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "jaxgen")
        experiment = client.get_experiment_by_name(name)
        number = client.create_experiment(name) if experiment is None else experiment.experiment_id
        found = client.search_runs([number], f"tags.`{_TAG}` = '{own}'")
        if not found:
            tags = {_TAG: own, "jaxgen.group": run.group, "jaxgen.part": run.part or f"seed_{run.seed}"}
            found = [client.create_run(number, tags=tags, run_name=run.name)]
        self._id, data = found[0].info.run_id, found[0].data
        if run.resumed_at is not None:
            client.update_run(self._id, status="RUNNING")
        new = {plain(k): str(v)[:_LONGEST] for k, v in flatten(run.config).items() if plain(k) not in data.params}
        params = [Param(key, value) for key, value in new.items()]
        for first in range(0, len(params), _AT_ONCE):
            client.log_batch(self._id, params=params[first : first + _AT_ONCE])
        self._last = {key: self._last_step(key) for key in data.metrics}
        curves = [step for key, step in self._last.items() if not key.startswith(("final/", "timing/"))]
        # Of its last step a folder can hold some numbers and lack others: that step is asked for again.
        self.held = max(curves, default=0) - 1

    def _last_step(self, key: str) -> int:
        return max(metric.step for metric in self._client.get_metric_history(self._id, key))

    def row(self, step, numbers, pictures):
        for name, picture in pictures.items():  # first: a step counts as held by its numbers
            self._client.log_image(self._id, picture.convert("RGB"), artifact_file=f"{name}/step_{step:07d}.png")
        self._log(step, numbers)

    def final(self, step, results, timing, files, again):
        for path in files:
            place = path.parent.relative_to(self._folder).as_posix()
            self._client.log_artifact(self._id, str(path), None if place == "." else place)
        numbers = {f"final/{name}": value for name, value in results.items()}
        numbers |= {f"timing/{name}": value for name, value in timing.items()}
        self._log(step, numbers, once=again)

    def close(self, complete):
        if complete is not None:
            self._client.set_terminated(self._id, "FINISHED" if complete else "KILLED")

    def _log(self, step: int, numbers: Mapping[str, float], once: bool = True) -> None:
        """Adds numbers of a step to their curves; `once`: to those that do not hold it yet."""
        new = {plain(name): value for name, value in numbers.items()}
        new = {key: value for key, value in new.items() if not once or self._last.get(key, -1) < step}
        if new:
            now = int(1000 * time.time())
            self._client.log_batch(self._id, metrics=[self._metric(*pair, now, step) for pair in new.items()])
            self._last.update(dict.fromkeys(new, step))


def plain(name: str) -> str:
    """A name of letters that MLflow takes."""
    return re.sub(r"[^\w\-. /:]", "_", name)
