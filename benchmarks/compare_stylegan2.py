"""StyleGAN2's whole training iteration beside PyTorch eager, in turns within one run, and its operations counted.

    python benchmarks/compare_stylegan2.py --rounds 3 --batches 8 16 --out comparison.json

Needs the extra `benchmarks` (PyTorch). The `cifar` settings at full width (or `--config`), no moving average, one
device. An iteration's time is that of one without R1 plus a sixteenth of what R1 adds. PyTorch runs with fused and
with plain modulated convolutions, each in both memory formats. The ratio is to the fastest of the four.

The iteration's operations, a sixteenth of R1 included, counted from its program (with plain convolutions) are compared
with those that the networks need, `stylegan2_operations.py`.
"""

import argparse
import functools
import json
import statistics
import sys
import time
from pathlib import Path

# The repository itself, where it is not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
import torch
from pytorch_stylegan2 import Training
from stylegan2_operations import step_operations

from jaxgen.devices import parallel
from jaxgen.files import command_line, provenance
from jaxgen.models import stylegan2 as networks
from jaxgen.models.stylegan2.synthesis import width
from jaxgen.recipes import stylegan2
from jaxgen.settings.experiments import experiment
from jaxgen.training import compiled_steps
from jaxgen.training.batches import Batching, ResidentSplit

SIDE, CHANNELS, IMAGES = 32, 3, 1024
INTERVAL = 16


class JaxTraining:
    """jaxgen's compiled iteration on one device."""

    def __init__(self, config, images: np.ndarray):
        self.recipe = stylegan2.build(config, images.shape[1:], 0)
        mesh = parallel.make_mesh(1)
        self.state = parallel.init_state(self.recipe, mesh, seed=0)
        self.data = ResidentSplit(parallel.replicate(mesh, images), None)
        batching = Batching(config.batch_size)
        self.compiled = compiled_steps.compile_steps(
            self.recipe, batching, mesh, self.state, self.data, steps=1, unroll=1
        )
        players = [self.state.players[name] for name in ("g", "d")]
        self.parameters = sum(leaf.size for leaf in jax.tree.leaves([p.params for p in players]))

    def step(self, regularise: bool) -> None:
        """One iteration, with R1 or without, finished."""
        at = INTERVAL if regularise else 1
        self.state, metrics = self.compiled.run(self.state.replace(step=jnp.int32(at)), self.data)
        jax.block_until_ready((self.state, metrics))


def amortised(step) -> float:
    """Seconds of an iteration, a sixteenth of R1 included."""
    seconds = []
    for regularise in (False, True):
        begun = time.perf_counter()
        step(regularise)
        seconds.append(time.perf_counter() - begun)
    plain, both = seconds
    return plain + (both - plain) / INTERVAL


def compare(config, batch: int, rounds: int) -> dict:
    """Both sides in turns at one batch size."""
    config.batch_size, config.num_devices = batch, 1
    config.recipe.ema_kimg = 0.0  # the PyTorch side keeps no moving average
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, CHANNELS), dtype=np.uint8)
    model = config.model
    top = width(SIDE, model.channel_base, model.channel_max)
    sizes = {"latent": model.latent_dim, "width": top}
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    sides = {"jaxgen": JaxTraining(config, images)}
    for fused in (True, False):
        for last in (False, True):
            name = f"PyTorch, {'fused' if fused else 'plain'}{', channels last' if last else ''}"
            sides[name] = Training(tensor, batch, fused=fused, channels_last=last, **sizes)
    if sides[name].parameters() != sides["jaxgen"].parameters:
        raise SystemExit(f"not the same networks: {sides[name].parameters()} and {sides['jaxgen'].parameters} numbers")
    for side in sides.values():
        side.step(True)  # to warm up
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(amortised(side.step))
    speed = {name: batch / statistics.median(values) for name, values in seconds.items()}
    best = max((name for name in sides if name != "jaxgen"), key=speed.get)
    ratios = [theirs / ours for ours, theirs in zip(seconds["jaxgen"], seconds[best], strict=True)]
    needed = step_operations(networks.build(model, (SIDE, SIDE, CHANNELS), 0, jnp.float32), SIDE, CHANNELS, batch)
    return {
        "batch": batch,
        "images_per_s": speed,
        "fastest_pytorch": best,
        "ratio": [statistics.median(ratios), min(ratios), max(ratios)],
        "seconds": seconds,
        "parameters": sides["jaxgen"].parameters,
        "operations_counted": sides["jaxgen"].compiled.flops_per_step,
        "operations_needed": needed["main"] + needed["r1"] / INTERVAL,
        "compile_s": sides["jaxgen"].compiled.compile_seconds,
    }


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table."""
    names = list(rows[0]["images_per_s"])
    lines = [f"| batch | {' | '.join(f'{name}, img/s' for name in names)} | ratio: median (min to max) | operations |"]
    lines += ["|" + "---|" * (len(names) + 3)]
    for row in rows:
        speeds = " | ".join(f"{row['images_per_s'][name]:.2f}" for name in names)
        median, low, high = row["ratio"]
        counted = row["operations_counted"] / row["operations_needed"]
        lines += [f"| {row['batch']} | {speeds} | {median:.2f} ({low:.2f} to {high:.2f}) | {counted:.2f} of needed |"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="stylegan2_cifar", help="of configs/: 32x32, generator skip, D orig")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=command_line.new_file, help="JSON file")
    arguments = parser.parse_args()
    torch.set_num_threads(provenance.cores())
    config = functools.partial(experiment, arguments.config)
    rows = []
    for batch in arguments.batches:
        rows.append(compare(config(), batch, arguments.rounds))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(table(rows))
    if arguments.out:
        versions = {"jax": jax.__version__, "torch": torch.__version__}
        report = {"rows": rows, "threads": provenance.cores(), "versions": versions}
        arguments.out.write_text(json.dumps({**report, "device": jax.devices()[0].device_kind}, indent=1) + "\n")


if __name__ == "__main__":
    main()
