"""Speed of the feature networks beside PyTorch eager, on the same weights and images, in turns within one run.

    python benchmarks/extractors_pytorch.py --rounds 7 --out extractors.json

Needs the extra `benchmarks` (PyTorch). Both sides take uint8 images of 32x32 to features, resizing and all. PyTorch
runs in both of its memory layouts: as pytorch-fid and others call it, and channels last, its faster one on CPU.
Inception's weights are random. While other work has the cores, PyTorch's threads wait for each other by spinning, so
only an idle machine gives a fair ratio of times. Beside other work take processor time on one core:

    taskset -c 0 python benchmarks/extractors_pytorch.py --clock processor
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytorch_feature_networks as torch_side
import torch
from torch.nn.functional import interpolate

sys.path.insert(0, str(Path(__file__).parents[1]))

from jaxgen.files import command_line, provenance
from jaxgen.metrics.extractors import efficientnet_lite0, inception, input_paths
from jaxgen.metrics.extractors.inception_params import expected_shapes
from jaxgen.metrics.extractors.torch_file import read_torch_file

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def random_tensors() -> dict[str, np.ndarray]:
    """Tensors of the Inception network that keep activations at one scale."""
    r, tensors = np.random.default_rng(0), {}
    for name, shape in expected_shapes().items():
        if name.endswith("conv.weight"):
            values = r.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith(("running_var", "bn.weight")):
            values = r.uniform(0.5, 1.5, shape)
        else:
            values = r.normal(size=shape) * 0.05
        tensors[name] = values.astype(np.float32)
    return tensors


def sides(name: str, batch: int):
    """jaxgen's function of uint8 images [N, H, W, 3] to (features, logits), and PyTorch's by memory layout."""
    if name == "inception":
        tensors = random_tensors()
        params = jax.tree.map(jnp.asarray, inception.load_params(tensors))

        def ours(images):
            *_, features, logits = inception.outputs(params, images, input_paths.PATHS["pytorch"])
            return features, logits

        make, side, antialias, offset, divisor = torch_side.Inception, inception.SIDE, False, 127.5, 127.5
    else:
        tensors, ours = read_torch_file(efficientnet_lite0.weights_path()), efficientnet_lite0.load().apply
        make, side, antialias, offset, divisor = torch_side.EfficientNetLite0, efficientnet_lite0.SIDE, True, 127, 128

    def theirs(memory_format):
        network = make().eval()
        network.load_state_dict({key: torch.tensor(value) for key, value in tensors.items()}, strict=False)
        network = network.to(memory_format=memory_format)

        def run(images):
            parts = []
            for piece in torch.from_numpy(images).split(batch):
                x = piece.permute(0, 3, 1, 2).float().contiguous(memory_format=memory_format)
                x = interpolate(x, (side, side), mode="bilinear", antialias=antialias, align_corners=False)
                with torch.inference_mode():
                    parts.append(network((x - offset) / divisor)[-2:])
            return [torch.cat(part).numpy() for part in zip(*parts, strict=True)]

        return run

    return ours, {"contiguous": theirs(torch.contiguous_format), "channels_last": theirs(torch.channels_last)}


def difference(a, b) -> float:
    """Largest difference of features and logits, by their largest value."""
    return max(float(np.abs(np.asarray(x) - y).max() / np.abs(y).max()) for x, y in zip(a, b, strict=True))


def compare(name: str, arguments) -> dict:
    """One row of the table: every side in turns."""
    count = arguments.images or {"inception": 32, "efficientnet_lite0": 96}[name]
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    ours, theirs = sides(name, arguments.batch)
    runs = {"jaxgen": ours, **theirs}
    outputs = {key: run(images) for key, run in runs.items()}  # and compiles
    times, clock = {key: [] for key in runs}, CLOCKS[arguments.clock]
    for _ in range(arguments.rounds):
        for key, run in runs.items():
            start = clock()
            run(images)
            times[key].append(clock() - start)
    row = {"network": name, "difference": max(difference(outputs["jaxgen"], outputs[key]) for key in theirs)}
    for key in runs:
        row[f"{key}_images_per_s"] = count / statistics.median(times[key])
    for key in theirs:
        ratios = [t / o for o, t in zip(times["jaxgen"], times[key], strict=True)]
        row[f"speedup_{key}"] = [statistics.median(ratios), min(ratios), max(ratios)]
    return row | {"seconds": times, "images": count}


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table. Speed-ups are medians (least to most)."""
    head = [
        "network",
        "jaxgen images/s",
        "PyTorch images/s",
        "PyTorch, channels last",
        "speed-up",
        "over channels last",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        speedups = [row["speedup_contiguous"], row["speedup_channels_last"]]
        speedups = ["{:.2f} ({:.2f} to {:.2f})".format(*s) for s in speedups]
        rates = [f"{row[f'{key}_images_per_s']:.1f}" for key in ("jaxgen", "contiguous", "channels_last")]
        lines.append("| " + " | ".join([row["network"], *rates, *speedups]) + " |")
    return "\n".join(lines)


def main() -> int:
    names = ("inception", "efficientnet_lite0")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=0, help="per turn, 0: 32 (inception) or 96 (efficientnet_lite0)")
    parser.add_argument("--batch", type=int, default=16, help="PyTorch's batch size (jaxgen has its own)")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="processor: the sum over threads, of this process only"
    )
    parser.add_argument("--out", type=command_line.new_file, help="JSON file")
    arguments = parser.parse_args()
    torch.set_num_threads(provenance.cores())
    load = os.getloadavg()[0]
    rows = [compare(name, arguments) for name in arguments.networks]
    report = {
        "rows": rows,
        "threads": provenance.cores(),
        "batch": arguments.batch,
        "clock": arguments.clock,
        "load_at_start": load,
        "device": jax.devices()[0].device_kind,
        "versions": {"jax": jax.__version__, "torch": torch.__version__},
    }
    print(table(rows))
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    unequal = [row["network"] for row in rows if row["difference"] > 1e-4]
    if unequal:
        print(f"not the same networks: features differ in {', '.join(unequal)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
