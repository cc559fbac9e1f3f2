"""The plans of docs/scaling.md: six experiments on v5e slices of 1, 8 and 32 chips, the same batch on every chip.

    pip install -c constraints.txt -e '.[plan]'
    python benchmarks/plans.py --out plans          # JSON of each plan, and the table on the last lines

A plan that is in the folder already is not made again; each takes from half a minute to several minutes.
"""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

# Batch on a chip, and what the config cannot know of its data.
EXPERIMENTS = {
    "vae_cifar": (128, ()),
    "dcgan_cifar": (128, ()),
    "sngan_cifar": (64, ()),
    "stylegan2_cifar": (32, ()),
    "stylegan2_256": (4, ("--config.plan.num_images=30000",)),
    "stylegan2_1024": (2, ("--config.plan.num_images=2000",)),
}
SLICES = {"v5e:1x1": 1, "v5e:2x4": 8, "v5e:4x8": 32}
GIB, MIB = 2**30, 2**20


def plan(config: str, topology: str, batch: int, extra: tuple[str, ...], path: Path) -> dict | None:
    """The plan's JSON, made unless it is there; None where it failed, which is told."""
    if not path.exists():
        command = [sys.executable, "-m", "jaxgen.main", "--config", f"configs/{config}.py", "--mode=plan"]
        command += ["--topology", topology, f"--config.batch_size={batch}", "--config.plan.largest_batch=False", *extra]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(f"{' '.join(command)}: exit code {done.returncode}", file=sys.stderr)
            return None
        path.write_text(done.stdout.splitlines()[-1] + "\n")
    return json.loads(path.read_text())


def total_images(config: str) -> int:
    """What the experiment trains on in all, whatever the batch."""
    settings = importlib.import_module(f"configs.{config}").get_config()
    return settings.steps * settings.batch_size


def row(config: str, topology: str, batch: int, result: dict) -> str:
    """A line of the table."""
    cells = [f"`{config}`", topology, f"{batch:,}"]
    gigaflops = f"{result['operations_per_step_per_device'] / 1e9:,.1f}"
    if not result["fits"]:
        needs = result.get("needs_bytes")
        cells += ["no" + (f": {needs / GIB:.1f} GiB" if needs else ""), gigaflops, *[""] * 6]
        return "| " + " | ".join(cells) + " |"
    seconds = result["roofline_seconds"]
    counted = result["operations_compiled"] / result["operations_of_the_busiest_step"]
    reduced = sum(entry["bytes"] for entry in result["collectives"])
    kinds = {entry["kind"] for entry in result["collectives"]}
    cells += [
        f"{result['program_bytes']['all'] / GIB:.2f} GiB",
        gigaflops,
        f"{counted:.2f}",
        f"{len(result['collectives'])}, {reduced / MIB:.1f} MiB" + ("" if kinds <= {"all-reduce"} else f" ({kinds})"),
        " / ".join(f"{1000 * seconds[name]:.2f}" for name in ("products", "memory", "collectives")),
        f"{result['peak_fraction']:.0%} ({result['limit']})",
        f"{result['images_per_second']:,.0f}",
        f"{total_images(config) / result['images_per_second'] / 86_400:.3f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("plans"), help="folder of the plans' JSON")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for config, (batch, extra) in EXPERIMENTS.items():
        for topology, chips in SLICES.items():
            path = arguments.out / f"{config}_{topology}.json"
            result = plan(config, topology, batch * chips, extra, path)
            if result is not None:
                rows.append(row(config, topology, batch * chips, result))
    titles = ["config", "slice", "batch", "memory a chip", "GFLOP a step and chip", "compiled / counted"]
    titles += [
        "all-reduces",
        "products / memory / collectives, ms",
        "of the peak",
        "images/s",
        "days for all its images",
    ]
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
