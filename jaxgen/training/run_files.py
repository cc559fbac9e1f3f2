"""What the training loop writes beside checkpoints: lines, curves, pictures, alarms, seconds."""

import logging
from pathlib import Path

from jaxgen.devices import parallel
from jaxgen.files.logs import MetricsFile, TensorBoard
from jaxgen.pictures import image_grids
from jaxgen.training import lanes as of_lanes
from jaxgen.training.lanes import Lane
from jaxgen.training.run import TrainingRun, summary, write_timing
from jaxgen.views.sample_grids import reconstruction_grid, write_samples

log = logging.getLogger(__name__)


class RunFiles:
    """What the loop writes beside checkpoints."""

    def __init__(self, run: TrainingRun, lanes: tuple[Lane, ...], resumed_at: int):
        self._run, self._lanes = run, lanes
        self.metrics = MetricsFile(run.workdir / "metrics.jsonl", resumed_at, run.config.seed)
        self._boards = {lane.seed: TensorBoard(board_of(run.workdir, lane), resumed_at) for lane in lanes}
        self._mean = TensorBoard(run.workdir / "tensorboard" / "mean", resumed_at) if len(lanes) > 1 else None

    def lines(self, step: int, values: dict[int, dict[str, float]]) -> None:
        """A line for each seed, and in TensorBoard their mean too."""
        speed = summary(self._run, step)["images_per_s"]
        for seed, numbers in values.items():
            self.metrics.write(step, numbers, seed)
            self._boards[seed].scalars(step, {**numbers, "speed/images_per_s": speed / len(values)})
        if self._mean is not None:
            self._mean.scalars(step, {**of_lanes.mean(values), "speed/images_per_s": speed})

    def samples(self, step: int, players) -> None:
        run = self._run
        for lane in self._lanes:
            own, folder, board = (
                lane.players(run.mesh, players),
                lane.folder / "samples",
                self._boards[lane.seed],
            )
            board.image(step, "samples", write_samples(lane.config, run.views, own, folder, step, run.test_images))
            if "reconstruct" in run.views.names:
                picture = reconstruction_grid(run.views, own, run.test_images)
                image_grids.save(picture, folder / f"reconstructions_{step:07d}.png")
                board.image(step, "reconstructions", picture)

    def histograms(self, step: int, players) -> None:
        for lane in self._lanes:
            self._boards[lane.seed].histograms(step, parallel.local(lane.players(self._run.mesh, players)))

    def alarms(self, step: int, news: dict[int, list[str]]) -> None:
        for lane in self._lanes:
            for text in news[lane.seed]:
                log.warning("%s%s", lane.prefix, text)
            if news[lane.seed]:
                lane.watch.record(lane.folder, step)

    def close(self, step: int) -> None:
        self.metrics.sync()
        self.metrics.close()
        for board in (*self._boards.values(), *filter(None, [self._mean])):
            board.close()
        write_timing(self._run, step)


def board_of(workdir: Path, lane: Lane) -> Path:
    """Where TensorBoard looks for the curves of a seed; each of several is a run of its own there."""
    return workdir / "tensorboard" / ("" if lane.index is None else f"seed_{lane.seed}")
