"""Modes covered and share of high-quality samples on mixtures of Gaussians, over several seeds, as a Markdown table.

    python benchmarks/mixture_seeds.py --out runs/mixtures
    python benchmarks/mixture_seeds.py --out runs/mixtures --configs sngan_ring gan_ring --seeds 10

Each run is that of `python -m jaxgen.main --config configs/NAME.py --config.seed=S`, without pictures. Killed and typed
again it goes on, and runs that are done are not done again. 2,500 samples of the generator's average (where the config
has one), a mode counted from one sample within 3 standard deviations (Lin et al. 2018).
"""

import argparse
import json
import sys
from pathlib import Path

# The repository itself, where it is not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import numpy as np

import jaxgen
from jaxgen.files import command_line
from jaxgen.settings.experiments import experiment

CONFIGS = ("gan_ring", "wgan_gp_ring", "sngan_ring", "gan_grid", "wgan_gp_grid", "sngan_grid")


def train(name: str, seed: int, folder: Path) -> dict:
    """Trains one run to its end, unless that is done. Returns its evaluation.json."""
    config = experiment(name)
    config.seed = seed
    config.num_devices = 1
    config.sample_every = config.histogram_every = 0
    config.checkpoint_every = config.log_every = 1_000
    config.evaluation.pictures = False
    jaxgen.train(config, folder)
    return json.loads((folder / "evaluation.json").read_text())


def row(name: str, results: list[dict]) -> str:
    """A line of the table: one config over its seeds."""
    measured = [result["modes"] for result in results]
    quality = np.array([100 * one["high_quality"] for one in measured])
    steps = results[0]["_run"]["step"]
    seconds = np.mean([result["_run"]["timing"]["step_seconds"] for result in results])
    covered = ", ".join(f"{one['value']:.0f}" for one in measured)
    spread = f"{quality.mean():.1f} ± {quality.std(ddof=1):.1f}" if len(quality) > 1 else f"{quality.mean():.1f}"
    kl = np.array([one["kl_to_uniform"] if one["kl_to_uniform"] is not None else np.inf for one in measured])
    return (
        f"| `{name}` | {steps:,} | {covered} of {measured[0]['modes']} | {spread} | {quality.min():.1f} | "
        f"{kl.mean():.3f} | {seconds:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=command_line.new_folder, required=True, help="folder of the runs")
    parser.add_argument("--configs", nargs="+", default=CONFIGS)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    jax.config.update("jax_compilation_cache_dir", str(arguments.out / "xla"))
    rows = []
    for name in arguments.configs:
        results = [train(name, seed, arguments.out / f"{name}_{seed}") for seed in range(arguments.seeds)]
        rows.append(row(name, results))
        print(rows[-1], flush=True)
    head = "| config | steps | modes covered, seed by seed | high quality, % | worst seed | KL to uniform | seconds |"
    print("\n".join([head, "|---|---|---|---|---|---|---|", *rows]))


if __name__ == "__main__":
    main()
