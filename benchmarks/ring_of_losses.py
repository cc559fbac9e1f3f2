"""Every GAN loss on the ring and the grid of Gaussians: modes covered and share of high-quality samples, in Markdown.

    python benchmarks/ring_of_losses.py --out runs/losses
    python benchmarks/ring_of_losses.py --out runs/losses --rows relativistic+r1_r2 softmax --data ring --seeds 5

All rows have the networks, optimisers and critic updates of `wgan_gp_ring` and `wgan_gp_grid`. They differ in the loss
and the penalty alone. Killed and typed again it goes on, and runs that are done are not done again.
"""

import argparse
import json
import sys
from pathlib import Path

# The repository itself, where it is not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

import jax

import jaxgen
from benchmarks.mixture_seeds import row
from jaxgen.files import command_line
from jaxgen.settings.experiments import experiment

# Loss, penalty and its weight. Penalties are in units of the points, as the discriminator sees them divided by a scale.
ROWS = {
    "non_saturating": ("non_saturating", "", 0.0),
    "non_saturating+r1_r2": ("non_saturating", "r1_r2", 0.1),
    "saturating": ("saturating", "", 0.0),
    "least_squares": ("least_squares", "", 0.0),
    "hinge": ("hinge", "", 0.0),
    "wasserstein+wgan_gp": ("wasserstein", "wgan_gp", 0.1),
    "wasserstein+wgan_div": ("wasserstein", "wgan_div", 2.0),
    "boundary_seeking": ("boundary_seeking", "", 0.0),
    "boundary_seeking+r1_r2": ("boundary_seeking", "r1_r2", 0.1),
    "softmax": ("softmax", "", 0.0),
    "softmax+r1_r2": ("softmax", "r1_r2", 0.1),
    "relativistic": ("relativistic", "", 0.0),
    "relativistic+r1": ("relativistic", "r1", 0.1),
    "relativistic+r1_r2": ("relativistic", "r1_r2", 0.1),
    "relativistic_average": ("relativistic_average", "", 0.0),
    "relativistic_average+r1_r2": ("relativistic_average", "r1_r2", 0.1),
}


def config_of(name: str, data: str):
    """The config of a row on "ring" or "grid"."""
    config = experiment(f"wgan_gp_{data}")
    config.recipe.loss, config.recipe.penalty, config.recipe.penalty_weight = ROWS[name]
    config.num_devices = 1
    config.sample_every = config.histogram_every = 0
    config.checkpoint_every = config.log_every = 1_000
    config.report = config.evaluation.pictures = False
    return config


def train(name: str, data: str, seed: int, folder: Path) -> dict:
    """Trains one run to its end, unless that is done. Returns its evaluation.json."""
    config = config_of(name, data)
    config.seed = seed
    jaxgen.train(config, folder)
    return json.loads((folder / "evaluation.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=command_line.new_folder, required=True, help="folder of the runs")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--data", nargs="+", choices=("ring", "grid"), default=["ring", "grid"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    jax.config.update("jax_compilation_cache_dir", str(arguments.out / "xla"))
    for data in arguments.data:
        print(f"\n| {data} | steps | modes covered | high quality, % | worst seed | KL to uniform | seconds |")
        print("|---|---|---|---|---|---|---|")
        for name in arguments.rows:
            folders = [arguments.out / f"{name}_{data}_{seed}" for seed in range(arguments.seeds)]
            results = [train(name, data, seed, folder) for seed, folder in enumerate(folders)]
            print(row(name, results), flush=True)


if __name__ == "__main__":
    main()
