"""Training speed of jaxgen beside PyTorch eager, on the same networks, in turns within one run.

    python benchmarks/compare_pytorch.py --rounds 7 --out comparison.json

Needs the extra `benchmarks` (PyTorch). Both sides draw batches of 64 from the same uint8 images, in float32, with Adam.
The side of jaxgen is the whole training step of `jaxgen.main`, with data sampling and metrics. PyTorch's convolutions
run in both memory layouts. The ratio is to the faster one.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

# The repository itself, where it is not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import numpy as np
import pytorch_models as torch_side
import torch

from jaxgen.devices import parallel
from jaxgen.files import command_line, provenance
from jaxgen.recipes import gan, vae
from jaxgen.settings import default
from jaxgen.training import compiled_steps
from jaxgen.training.batches import Batching, ResidentSplit

BATCH = 64
IMAGES = 4096


def config_of(name: str):
    """jaxgen's config of one comparison."""
    config = default.get_config()
    config.batch_size = BATCH
    config.recipe.ema_decay = 0.0  # the PyTorch side keeps no moving average
    if name == "mlp_gan":
        config.model.update({"name": "mlp_gan", "architecture": "pytorch_gan"})
    elif name == "conv_vae":
        config.recipe.name, config.model.name = "vae", "conv_vae"
        config.model.latent_dim, config.model.batch_norm = 128, False
        config.recipe.sigma = 1.0
    else:
        config.model.architecture = name.removeprefix("dcgan_")
    return config


def torch_trainings(name: str, images: np.ndarray):
    """The PyTorch side in each memory layout, by its name, and the parameters of all its networks."""
    images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    trainings = {}
    for layout in ("contiguous",) if name == "mlp_gan" else ("contiguous", "channels last"):
        if name == "conv_vae":
            networks = torch_side.vae_encoder(), torch_side.vae_decoder()
        elif name == "mlp_gan":
            networks = torch_side.mlp_generator(), torch_side.mlp_discriminator()
        elif name == "dcgan_radford":
            networks = torch_side.radford_generator(), torch_side.radford_discriminator()
        else:
            networks = torch_side.pytorch_gan_generator(), torch_side.pytorch_gan_discriminator()
        if layout == "channels last":
            images = images.contiguous(memory_format=torch.channels_last)
            networks = tuple(network.to(memory_format=torch.channels_last) for network in networks)
        if name == "conv_vae":
            trainings[layout] = torch_side.VAETraining(*networks, images, BATCH)
        else:
            latents = (100, 1, 1) if name == "dcgan_radford" else (100,)
            trainings[layout] = torch_side.GANTraining(*networks, images, latents, BATCH)
    return trainings, sum(p.numel() for network in networks for p in network.parameters())


class JaxTraining:
    """jaxgen's compiled step on one device. `step` runs one dispatch."""

    def __init__(self, name: str, images: np.ndarray, steps: int, unroll: int):
        config = config_of(name)
        recipe = (vae if name == "conv_vae" else gan).build(config, images.shape[1:], 0)
        mesh = parallel.make_mesh(1)
        self.state = parallel.init_state(recipe, mesh, seed=0)
        self.data = ResidentSplit(parallel.replicate(mesh, images), None)
        players = [p for p in self.state.players.values() if hasattr(p, "opt_state")]
        leaves = jax.tree.leaves([p.params for p in players])
        self.parameters = sum(leaf.size for leaf in leaves)
        batching = Batching(BATCH)
        self.compiled = compiled_steps.compile_steps(
            recipe, batching, mesh, self.state, self.data, steps=steps, unroll=unroll
        )

    def step(self) -> None:
        """One dispatch, finished."""
        self.state, metrics = self.compiled.run(self.state, self.data)
        jax.block_until_ready((self.state, metrics))


def milliseconds(call, seconds: float, steps: int) -> float:
    """Mean time of a step over at least `seconds`."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or not count:
        call()
        count += 1
    return 1000 * elapsed / (count * steps)


def compare(name: str, arguments) -> dict:
    """One row of the table: both sides in turns."""
    shape = (28, 28, 1) if name == "mlp_gan" else (32, 32, 3)
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, *shape), dtype=np.uint8)
    jax_training = JaxTraining(name, images, arguments.steps_per_dispatch, arguments.unroll)
    trainings, parameters = torch_trainings(name, images)
    jax_training.step()
    for training in trainings.values():
        training.step()
    ours, theirs = [], {layout: [] for layout in trainings}
    for _ in range(arguments.rounds):
        ours.append(milliseconds(jax_training.step, arguments.seconds, arguments.steps_per_dispatch))
        for layout, training in trainings.items():
            theirs[layout].append(milliseconds(training.step, arguments.seconds, 1))
    medians = {layout: statistics.median(times) for layout, times in theirs.items()}
    fastest = min(medians, key=medians.get)
    ratios = [t / o for o, t in zip(ours, theirs[fastest], strict=True)]
    return {
        "model": name,
        "jaxgen_images_per_s": 1000 * BATCH / statistics.median(ours),
        "pytorch_images_per_s": {layout: 1000 * BATCH / median for layout, median in medians.items()},
        "fastest": fastest,
        "speedup": statistics.median(ratios),
        "speedup_min": min(ratios),
        "speedup_max": max(ratios),
        "jaxgen_step_ms": ours,
        "pytorch_step_ms": theirs,
        "compile_s": jax_training.compiled.compile_seconds,
        "jaxgen_parameters": jax_training.parameters,
        "pytorch_parameters": parameters,
    }


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| model | jaxgen images/s | PyTorch images/s | channels last | ratio to the faster: median (min to max) "
        "| parameters | compile s |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        speeds = [r["pytorch_images_per_s"].get(layout) for layout in ("contiguous", "channels last")]
        theirs = " | ".join("" if speed is None else f"{speed:.0f}" for speed in speeds)
        lines.append(
            f"| {r['model']} | {r['jaxgen_images_per_s']:.0f} | {theirs} "
            f"| {r['speedup']:.2f} ({r['speedup_min']:.2f} to {r['speedup_max']:.2f}) "
            f"| {r['jaxgen_parameters']:,} | {r['compile_s']:.0f} |"
        )
    return "\n".join(lines)


def main() -> int:
    names = ("mlp_gan", "dcgan_radford", "dcgan_pytorch_gan", "conv_vae")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each side in a round, at least")
    parser.add_argument("--steps_per_dispatch", type=int, default=5)
    parser.add_argument("--unroll", type=int, default=1)
    parser.add_argument("--out", type=command_line.new_file, help="JSON file")
    arguments = parser.parse_args()
    torch.set_num_threads(provenance.cores())
    rows = [compare(name, arguments) for name in arguments.models]
    report = {
        "rows": rows,
        "threads": provenance.cores(),
        "batch": BATCH,
        "steps_per_dispatch": arguments.steps_per_dispatch,
        "unroll": arguments.unroll,
        "device": jax.devices()[0].device_kind,
        "versions": {"jax": jax.__version__, "torch": torch.__version__},
    }
    print(table(rows))
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    unequal = [r["model"] for r in rows if r["jaxgen_parameters"] != r["pytorch_parameters"]]
    if unequal:
        print(f"not the same networks: parameters differ in {', '.join(unequal)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
