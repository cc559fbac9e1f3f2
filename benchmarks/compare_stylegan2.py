"""StyleGAN2's whole training iteration beside PyTorch eager, in turns within one run, and its operations counted.

    python benchmarks/compare_stylegan2.py --rounds 3 --batches 8 16 --out comparison.json

Needs the extra `benchmarks` (PyTorch). The `cifar` settings at full width (or `--config`), no moving average, one
device. An iteration's time is that of one without R1 plus a sixteenth of what R1 adds. PyTorch runs with fused and
with plain modulated convolutions, each in both memory formats; the ratio is to the fastest of the four.

The compiled iteration's operations (XLA's count) are compared with those that the networks' convolutions and dense
layers need: a forward pass once, its derivative by inputs once more and by weights once more.
"""

import argparse
import importlib
import json
import statistics
import sys
import time
from pathlib import Path

# The repository itself, for `configs`, when this is run as a file.
sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
import torch
from pytorch_stylegan2 import Training

from jaxgen import provenance
from jaxgen.models.stylegan2.synthesis import resolutions, width
from jaxgen.recipes import stylegan2
from jaxgen.training import parallel
from jaxgen.training.batches import Feed

SIDE, CHANNELS, IMAGES = 32, 3, 1024
INTERVAL = 16


def multiplications(model) -> tuple[int, int]:
    """Products in one image's forward pass through generator ("skip") and discriminator ("orig")."""
    generator, discriminator = 0, model.mapping_layers * model.latent_dim**2
    generator, discriminator = discriminator, 0
    for r in resolutions(SIDE):
        channels, below = (width(side, model.channel_base, model.channel_max) for side in (r, r // 2))
        layers = [(channels, channels, r)] if r == 4 else [(below, channels, r // 2), (channels, channels, r)]
        # At half the side where the resolution is doubled: zeros between the pixels are not multiplied.
        generator += sum(9 * a * b * side**2 + model.latent_dim * a for a, b, side in layers)
        generator += (channels * r**2 + model.latent_dim) * CHANNELS
        if r == 4:
            discriminator += 9 * (channels + 1) * channels * 16 + 16 * channels**2 + channels
        else:
            discriminator += 9 * channels * channels * r**2 + 9 * channels * below * (r // 2) ** 2
    top = width(SIDE, model.channel_base, model.channel_max)
    return generator, discriminator + CHANNELS * top * SIDE**2


def operations(model, batch: int) -> tuple[float, float]:
    """Floating-point operations of an iteration without R1, and of R1: two for each product."""
    g, d = multiplications(model)
    # Generator's turn: both forward, D's inputs, G's inputs and weights. D's turn: G forward, D on two batches.
    main = (g + d + d + 2 * g) + (g + 2 * 3 * d)
    # R1: forward, gradient by the image, then the derivative of both by the weights and by what lies between.
    return 2.0 * batch * main, 2.0 * batch * 6 * d


class JaxTraining:
    """jaxgen's compiled iteration on one device."""

    def __init__(self, config, images: np.ndarray):
        self.recipe = stylegan2.build(config, images.shape[1:], 0)
        mesh = parallel.make_mesh(1, config.batch_size)
        self.state = parallel.init_state(self.recipe, mesh, seed=0)
        self.images = parallel.replicate(mesh, images)
        feed = Feed(config.batch_size)
        self.compiled = parallel.compile_steps(
            self.recipe, feed, mesh, self.state, self.images, None, steps=1, unroll=1
        )
        players = [self.state.players[name] for name in ("g", "d")]
        self.parameters = sum(leaf.size for leaf in jax.tree.leaves([p.params for p in players]))

    def step(self, regularise: bool) -> None:
        """One iteration, with R1 or without, finished."""
        at = INTERVAL if regularise else 1
        self.state, metrics = self.compiled.run(self.state.replace(step=jnp.int32(at)), self.images, None)
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
    main, r1 = operations(model, batch)
    return {
        "batch": batch,
        "images_per_s": speed,
        "fastest_pytorch": best,
        "ratio": [statistics.median(ratios), min(ratios), max(ratios)],
        "seconds": seconds,
        "parameters": sides["jaxgen"].parameters,
        "operations_xla": sides["jaxgen"].compiled.flops_per_step,
        "operations_needed": main + r1,
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
        counted = row["operations_xla"] / row["operations_needed"]
        lines += [f"| {row['batch']} | {speeds} | {median:.2f} ({low:.2f} to {high:.2f}) | {counted:.2f} of needed |"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="stylegan2_cifar", help="of configs/: 32x32, generator skip, D orig")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file")
    arguments = parser.parse_args()
    torch.set_num_threads(provenance.cores())
    config = importlib.import_module(f"configs.{arguments.config}").get_config
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
