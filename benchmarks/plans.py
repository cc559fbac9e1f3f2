"""The plans of docs/evidence/scaling.md: six experiments on v5e slices of 1, 8 and 32 chips, one batch a chip.

    pip install -c constraints.txt -e '.[plan]'
    python benchmarks/plans.py --out plans          # JSON of each plan, and the table on the last lines

The two largest experiments also run on v5p, with the optimiser divided over the chips, and with recomputed blocks.
Existing plans in the folder are not made again. Each plan takes from half a minute to many minutes.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from jaxgen.files import command_line
from jaxgen.settings.experiments import experiment as config_of


class Experiment(NamedTuple):
    """What is planned: its file in configs/, the batch of a chip, more flags, topologies with their chips."""

    name: str
    config: str
    batch: int
    flags: tuple[str, ...]
    slices: dict[str, int]


V5E = {"v5e:1x1": 1, "v5e:2x4": 8, "v5e:4x8": 32}
V5P = {"v5p:2x2x1": 4}
# What a config cannot know of its data.
OF_256, OF_1024 = ("--config.plan.num_images=30000",), ("--config.plan.num_images=2000",)
EXPERIMENTS = (
    Experiment("vae_cifar", "vae_cifar", 128, (), V5E),
    Experiment("dcgan_cifar", "dcgan_cifar", 128, (), V5E),
    Experiment("sngan_cifar", "sngan_cifar", 64, (), V5E),
    Experiment("stylegan2_cifar", "stylegan2_cifar", 32, (), V5E),
    Experiment("stylegan2_256", "stylegan2_256", 8, OF_256, V5E),
    # On eight chips it needs 16.1 GiB, which does not fit, so it is not planned on more; with "remat" (below) it fits.
    Experiment("stylegan2_1024", "stylegan2_1024", 4, OF_1024, {"v5e:1x1": 1, "v5e:2x4": 8}),
    Experiment("stylegan2_256", "stylegan2_256", 8, OF_256, V5P),
    Experiment("stylegan2_1024", "stylegan2_1024", 4, OF_1024, V5P),
    Experiment("stylegan2_256, ZeRO", "stylegan2_256", 8, (*OF_256, "--config.shard_optimizer=True"), {"v5e:2x4": 8}),
    Experiment("stylegan2_1024, remat", "stylegan2_1024", 4, (*OF_1024, "--config.model.remat_resolutions=4"), V5E),
)
GIB, MIB = 2**30, 2**20


def plan(experiment: Experiment, topology: str, path: Path) -> dict | None:
    """The plan's JSON, made unless it exists. None if it failed, with a message."""
    if not path.exists():
        batch = experiment.batch * experiment.slices[topology]
        command = [sys.executable, "-m", "jaxgen.main", "--config", f"configs/{experiment.config}.py", "--mode=plan"]
        command += ["--topology", topology, f"--config.batch_size={batch}", "--config.plan.largest_batch=False"]
        command += experiment.flags
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(f"{' '.join(command)}: exit code {done.returncode}", file=sys.stderr)
            return None
        path.write_text(done.stdout.splitlines()[-1] + "\n")
    return json.loads(path.read_text())


def total_images(config: str) -> int:
    """What the experiment trains on in all, whatever the batch."""
    settings = config_of(config)
    return settings.steps * settings.batch_size


def row(experiment: Experiment, topology: str, result: dict) -> str:
    """A line of the table."""
    cells = [experiment.name, topology, f"{result['batch_size']:,}"]
    gigaflops = f"{result['operations_per_step_per_device'] / 1e9:,.1f}"
    if not result["fits"]:
        needs = result.get("needs_bytes")
        cells += ["no" + (f": {needs / GIB:.1f} GiB" if needs else ""), gigaflops, *[""] * 6]
        return "| " + " | ".join(cells) + " |"
    seconds = result["roofline_seconds"]
    counted = result["operations_compiled"] / result["operations_written"]
    reduced = sum(entry["bytes"] for entry in result["collectives"])
    kinds = {entry["kind"] for entry in result["collectives"]}
    hours = total_images(experiment.config) / result["images_per_second"] / 3600
    cells += [
        f"{result['program_bytes']['all'] / GIB:.2f} GiB",
        gigaflops,
        f"{counted:.2f}",
        f"{len(result['collectives'])}, {reduced / MIB:.1f} MiB"
        + ("" if kinds <= {"all-reduce"} else f" ({', '.join(sorted(kinds))})"),
        " / ".join(f"{1000 * seconds[name]:.2f}" for name in ("products", "memory", "collectives")),
        f"{result['peak_fraction']:.0%} ({result['limit']})",
        f"{result['images_per_second']:,.0f}",
        f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=command_line.new_folder, default=Path("plans"), help="folder of the plans' JSON")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for experiment in EXPERIMENTS:
        for topology in experiment.slices:
            name = f"{experiment.name.replace(', ', '_')}_{topology}.json"
            result = plan(experiment, topology, arguments.out / name)
            if result is not None:
                rows.append(row(experiment, topology, result))
    titles = ["config", "slice", "batch", "memory a chip", "GFLOP a step and chip", "compiled / counted"]
    titles += ["collectives", "products / memory / collectives, ms", "of the peak", "images/s"]
    titles += ["hours for all its images"]
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
