"""PyTorch-GAN's DCGAN on MNIST in PyTorch, for a given time, and its samples as uint8 files.

    python benchmarks/pytorch_gan_mnist.py --seconds 600 --data_dir DIR --out FOLDER

It follows PyTorch-GAN's recipe (eriklindernoren/PyTorch-GAN, implementations/dcgan/dcgan.py, its defaults). MNIST is
resized to 32x32 by PIL's bilinear filter. Epochs are in random order, with batches of 64 and a shorter last batch. 100
latents, Adam 2e-4 (0.5, 0.999), BatchNorm with eps 0.8. The generator goes first, and the discriminator sees the same
fakes. Here images are read and resized once, and there for every batch. The clock starts after the imports. Samples
during training, and saving, are left out.

FOLDER gets train_mode.npy (batch statistics, as PyTorch-GAN draws its samples), eval_mode.npy (running statistics, as
samplers usually do), both uint8 [N, 32, 32, 1], and pytorch_gan.json.
"""

import argparse
import json
import sys
import time
from pathlib import Path

# The repository itself, where it is not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pytorch_models as networks
import torch

from jaxgen.data.base import open_dataset
from jaxgen.files import command_line, provenance
from jaxgen.settings import default

BATCH, LATENTS, SIDE, EPS = 64, 100, 32, 0.8


def training_images(data_dir: str) -> torch.Tensor:
    """MNIST's training split at 32x32, uint8 [60000, 1, 32, 32]."""
    data = default.get_config().data
    data.update({"name": "mnist", "dir": data_dir, "image_size": SIDE, "resize": "bilinear"})
    images = open_dataset(data, progress=False).splits["train"].images
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous()


def train(images: torch.Tensor, until: float) -> tuple[networks.GANTraining, int, int]:
    """Trains epoch after epoch until the clock shows `until`. Returns the training, updates, and images seen."""
    generator = networks.pytorch_gan_generator(SIDE, 1, LATENTS, eps=EPS)
    discriminator = networks.pytorch_gan_discriminator(SIDE, 1, eps=EPS)
    training = networks.GANTraining(generator, discriminator, images, (LATENTS,), BATCH)
    steps = seen = 0
    while True:
        for chosen in torch.randperm(len(images)).split(BATCH):
            if time.perf_counter() >= until:
                return training, steps, seen
            training.update(images[chosen].float() / 127.5 - 1)
            steps, seen = steps + 1, seen + len(chosen)


@torch.no_grad()
def samples(generator: torch.nn.Module, count: int, *, batch_statistics: bool, seed: int) -> np.ndarray:
    """`count` samples uint8 [count, 32, 32, 1], with the statistics of each batch of 64, or with running statistics."""
    generator.train(batch_statistics)
    torch.manual_seed(seed)
    batches = [generator(torch.randn(BATCH, LATENTS)) for _ in range(-(-count // BATCH))]
    images = torch.cat(batches)[:count].permute(0, 2, 3, 1)
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="for reading the data, building and training")
    parser.add_argument("--data_dir", default="", help="where MNIST's four archives lie")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=command_line.new_folder, required=True, help="folder")
    arguments = parser.parse_args()
    begun = time.perf_counter()
    torch.set_num_threads(provenance.cores())
    torch.manual_seed(arguments.seed)
    training, steps, seen = train(training_images(arguments.data_dir), begun + arguments.seconds)
    seconds = time.perf_counter() - begun
    arguments.out.mkdir(parents=True, exist_ok=True)
    # Running statistics first: a pass with batch statistics would change them.
    for name, batch_statistics in (("eval_mode", False), ("train_mode", True)):
        images = samples(
            training.generator, arguments.samples, batch_statistics=batch_statistics, seed=arguments.seed + 1
        )
        np.save(arguments.out / f"{name}.npy", images)
    told = {"seconds": seconds, "steps": steps, "images": seen, "seed": arguments.seed, "threads": provenance.cores()}
    (arguments.out / "pytorch_gan.json").write_text(json.dumps({**told, "torch": torch.__version__}, indent=1) + "\n")
    print(f"{seen:,} images in {steps:,} steps and {seconds:.1f} s. Samples in {arguments.out}")


if __name__ == "__main__":
    main()
