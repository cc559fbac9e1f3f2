"""Part "fast": training steps and the Inception network, beside PyTorch on the same card and beside the plans."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.training import compiled_steps
from jaxgen.training.batches import ResidentSplit
from tools.accelerator_check import torch_sides
from tools.accelerator_check.plans import rows_of
from tools.accelerator_check.record import Options, Record
from tools.accelerator_check.subjects import (
    EXPERIMENTS,
    MATMUL,
    PRECISIONS,
    Experiment,
    build,
    config_of,
    experiments,
    random_images,
)
from tools.accelerator_check.timing import longest_operations, median, seconds_of_steps

# Steps in which all work of every k-th step is done: R1 of every 16th, path lengths of every fourth.
PERIOD = 16
# Of the speed that a plan promises. Below it, the longest operations are listed.
_LITTLE = 0.3


class Steps:
    """jaxgen's compiled steps on one device, `steps` in a dispatch, for one seed or several."""

    def __init__(self, config: ConfigDict, images: np.ndarray, steps: int = 1, seeds: int = 1):
        self.steps = steps
        mesh = parallel.make_mesh(1, num_seeds=seeds)
        subject = build(config, images)
        seed = tuple(range(seeds)) if seeds > 1 else 0
        self.state = parallel.init_state(subject.recipe, mesh, seed)
        self.data = ResidentSplit(parallel.replicate(mesh, images.reshape(len(images), -1)), None)
        parts = subject.recipe, subject.batching, mesh, self.state, self.data
        self.compiled = compiled_steps.compile_steps(*parts, steps=steps)
        self._metrics = None

    def start(self) -> None:
        """Begins one dispatch."""
        self.state, self._metrics = self.compiled.run(self.state, self.data)

    def finish(self) -> None:
        """Waits for all dispatches."""
        jax.block_until_ready((self.state, self._metrics))

    def parameters(self) -> int:
        """Trained numbers of all networks."""
        players = [p for p in self.state.players.values() if hasattr(p, "opt_state")]
        return sum(leaf.size for leaf in jax.tree.leaves([p.params for p in players]))

    def bytes(self) -> int | None:
        """Memory of the program: arguments, results and what lies between. None if the backend does not say it."""
        sizes = self.compiled.run.memory_analysis()
        if sizes is None:
            return None
        inside = sizes.argument_size_in_bytes + sizes.temp_size_in_bytes
        return int(inside + sizes.output_size_in_bytes - sizes.alias_size_in_bytes)


def measure(options: Options, record: Record) -> None:
    """TF32 of all experiments first, then the same in the other precisions, dispatches, seeds and Inception."""
    for precision in PRECISIONS[:1] if options.tiny else PRECISIONS:
        for chosen in experiments(options.tiny):
            _timed(chosen, precision, options, record)
        if precision == PRECISIONS[0]:
            _dispatches(options, record)
            _seeds(options, record)
            _inception(options, record)


def _timed(chosen: Experiment, precision: str, options: Options, record: Record) -> None:
    name = f"{chosen.name}, {precision}"
    if options.left() < (0 if options.tiny else chosen.seconds):
        record.row(name, None, "images/s", None, why=f"{options.left():.0f} s were left, {chosen.seconds:.0f} needed")
        return
    config, images = config_of(chosen, precision, options.tiny), random_images(chosen, options.tiny)
    with jax.default_matmul_precision(MATMUL[precision]):
        try:
            ours = Steps(config, images)
        except UserError as error:
            if precision != "bfloat16":  # some networks have no such form
                raise
            record.row(name, None, "images/s", None, why=str(error))
            return
        _row(name, chosen, precision, ours, config, options, record)


def _row(
    name: str, chosen: Experiment, precision: str, ours: Steps, config: ConfigDict, options: Options, record: Record
) -> None:
    theirs, more = {}, {}
    if options.tiny or precision != "float32":
        theirs, more["pytorch"] = torch_sides.training(chosen.name, config, precision, ours.parameters())
    rounds, at_least = (2, 0.05) if options.tiny else (3, 0.5)
    times = seconds_of_steps({"jaxgen": ours, **theirs}, rounds=rounds, at_least=at_least, multiple=PERIOD)
    step_ms = {side: median(seconds) for side, seconds in times.items()}
    mine = step_ms.pop("jaxgen")
    operations = ours.compiled.flops_per_step
    promise = rows_of(Path(options.out) / "promises.json").get(name)
    if promise and promise.get("teraflops"):
        more["share_of_peak"] = operations / (mine / 1000) / (promise["teraflops"] * 1e12)
        more["share_of_plan"] = 1000 * promise["value"] / mine
    more["compile_s"] = round(ours.compiled.compile_seconds, 1)
    slower = bool(step_ms) and min(step_ms.values()) < mine
    if slower or more.get("share_of_plan", 1.0) < _LITTLE:
        more["longest_operations"] = longest_operations(
            ours, Path(options.out) / f"trace_{chosen.name}_{precision}", PERIOD
        )
    values = {"step_ms": mine, "bytes": ours.bytes(), "operations": operations, "rounds": times, **more}
    record.row(name, 1000 * config.batch_size / mine, "images/s", None, batch=config.batch_size, **values)
    if "share_of_peak" in more:
        record.row(f"{name}: share of the peak of {options.chip}", more["share_of_peak"], "of the peak")
    if step_ms:
        fastest = min(step_ms, key=step_ms.get)
        ratio = step_ms[fastest] / mine
        record.row(f"{name}: times as fast as PyTorch ({fastest})", ratio, "times", None, pytorch_ms=step_ms)


def _dispatches(options: Options, record: Record) -> None:
    """Several steps in one program."""
    chosen = EXPERIMENTS[0]
    config, images = config_of(chosen, "TF32", options.tiny), random_images(chosen, options.tiny)
    with jax.default_matmul_precision(MATMUL["TF32"]):
        for steps in (4,) if options.tiny else (1, 20, 100):
            times = seconds_of_steps(
                {"": Steps(config, images, steps)}, rounds=2, at_least=0.05 if options.tiny else 0.5
            )
            speed = 1000 * config.batch_size / median(times[""])
            record.row(f"{chosen.name}, {steps} steps a dispatch", speed, "images/s")


def _seeds(options: Options, record: Record) -> None:
    """Several seeds in one program."""
    chosen = EXPERIMENTS[0]
    config, images = config_of(chosen, "TF32", options.tiny), random_images(chosen, options.tiny)
    with jax.default_matmul_precision(MATMUL["TF32"]):
        for seeds in (2,) if options.tiny else (1, 4, 16):
            side = Steps(config, images, 4 if options.tiny else 20, seeds)
            times = seconds_of_steps({"": side}, rounds=2, at_least=0.05 if options.tiny else 0.5)
            speed = 1000 * config.batch_size * seeds / median(times[""])
            record.row(f"{chosen.name}, {seeds} seeds in one program", speed, "images/s of all seeds")


def _inception(options: Options, record: Record) -> None:
    """Features of the FID Inception, with random weights, beside PyTorch."""
    from jaxgen.metrics.extractors import inception, input_paths
    from tools.accelerator_check.right_networks import formula_tensors

    count = 4 if options.tiny else 512
    tensors = formula_tensors()
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    with jax.default_matmul_precision(MATMUL["TF32"]):
        params = jax.tree.map(jnp.asarray, inception.load_params(tensors))
        ours = torch_sides.Calls(
            lambda: inception.outputs(params, images, input_paths.PATHS["pytorch"]), jax.block_until_ready
        )
        theirs, said = torch_sides.inception(tensors, images)
        sides = {"jaxgen": ours, **theirs}
        times = seconds_of_steps(sides, rounds=1 if options.tiny else 3, at_least=0.0 if options.tiny else 0.5)
    speed = {side: 1000 * count / median(seconds) for side, seconds in times.items()}
    record.row(
        "Inception, TF32", speed["jaxgen"], "images/s", None, pytorch=said, images_per_s=json.loads(json.dumps(speed))
    )
    if theirs:
        fastest = max(theirs, key=speed.get)
        record.row(f"Inception, TF32: times as fast as PyTorch ({fastest})", speed["jaxgen"] / speed[fastest], "times")
