"""Networks against arrays of the reference implementations, and features of images, for the part "right".

`python -m tools.accelerator_check.right_networks OUT.npz N` writes the features of N images of two sets, from the CPU.
"""

import sys
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.metrics.extractors import efficientnet_lite0, inception, input_paths
from jaxgen.metrics.extractors.inception_params import expected_shapes
from jaxgen.models.stylegan2.layers import broadcast
from tools.accelerator_check.record import Record

ROOT = Path(__file__).parents[2]
# Precision of products -> name, and bound of the difference, of the largest number. XLA's default is TF32 on GPUs.
PRECISIONS = {"highest": ("float32", 1e-4), None: ("default", 1e-2)}
# A unit at LeakyReLU's kink, on the other side by rounding, moves a gradient by 1e-3 even in float32.
_GRADIENT = 20.0


def measure_golden(folder: Path, record: Record) -> None:
    """StyleGAN2's outputs and gradients, and Inception's features, in float32 and in XLA's default."""
    for precision, (name, bound) in PRECISIONS.items():
        with jax.default_matmul_precision(precision):
            for network in ("cifar_like", "config_f_like"):
                for what, error in _stylegan2(folder, network).items():
                    wider = _GRADIENT if what == "R1 penalties" else 1.0
                    record.row(f"StyleGAN2 {network}, {what}, {name}", error, "of the largest", wider * bound)
            record.row(f"Inception's features, {name}", _inception(folder), "of the largest", bound)


def _relative(got, expected) -> float:
    return float(np.abs(np.asarray(got) - expected).max() / np.abs(expected).max())


def _stylegan2(folder: Path, name: str) -> dict[str, float]:
    from tests.helpers import stylegan2_golden

    stylegan2_golden.FOLDER = folder
    golden = stylegan2_golden.load(name)
    arrays, params = golden.arrays, golden.g["params"]

    @jax.jit
    def outputs(latents, reals):
        w = stylegan2_golden.map_latents(golden, params, latents, golden.labels)
        images = stylegan2_golden.synthesize(golden, params, broadcast(w, golden.model.num_ws))
        gradient = jax.grad(lambda x: stylegan2_golden.logits(golden, golden.d["params"], x).sum())(reals)
        return w, images, jnp.square(gradient).sum((1, 2, 3))

    w, images, penalties = outputs(jnp.asarray(arrays["inputs/z"][0, 0]), golden.images("inputs/reals")[0])
    return {
        "latents w": _relative(w, arrays["expect/ws"][:, 0]),
        "images": _relative(images, golden.images("expect/image_noise_const")),
        "R1 penalties": _relative(penalties, arrays["expect/r1_penalty"].reshape(-1)),
    }


def _inception(folder: Path) -> float:
    with np.load(folder / "inception.npz") as arrays:
        images, expected = arrays["images"], arrays["pytorch/images/2048"]
    params = jax.tree.map(jnp.asarray, inception.load_params(formula_tensors()))
    *_, features, _ = inception.outputs(params, images, input_paths.PATHS["pytorch"])
    return _relative(features, expected)


def formula_tensors() -> dict[str, np.ndarray]:
    """Random tensors of the Inception network, each from its name alone, as those behind the golden arrays."""
    tensors = {}
    for name, shape in {**expected_shapes(), "fc.bias": (1008,)}.items():
        r = np.random.RandomState(zlib.crc32(f"{name}.0".encode()) % 2**32)
        if name.endswith("conv.weight"):
            values = r.randn(*shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif name == "fc.weight":
            values = r.randn(*shape) * 0.02
        elif name.endswith(("running_var", "bn.weight")):
            values = r.uniform(0.5, 1.5, shape)
        else:
            values = r.randn(*shape) * 0.1
        tensors[name] = values.astype(np.float32)
    return tensors


def measure_efficientnet(record: Record, tiny: bool) -> None:
    """EfficientNet-Lite0 with its real weights against outputs of torch that the tests keep. tiny: in one precision."""
    from tests.metrics.extractors import test_efficientnet_lite0 as kept

    extractor = efficientnet_lite0.load()
    with np.load(kept.REFERENCE) as arrays:
        arrays = dict(arrays)
    for precision, (name, bound) in list(PRECISIONS.items())[: 1 if tiny else None]:
        with jax.default_matmul_precision(precision):
            error = _efficientnet(extractor, arrays, kept)
        record.row(f"EfficientNet-Lite0 against torch, {name}", error, "of the largest", bound)


def _efficientnet(extractor, arrays: dict, kept) -> float:
    outputs = extractor.apply(kept._images(3, 32))
    stored = arrays["features_3"], arrays["logits_3"]
    return max(_relative(got[:, : want.shape[1]], want) for got, want in zip(outputs, stored, strict=True))


def features_of(count: int) -> list[np.ndarray]:
    """EfficientNet-Lite0's features [count, 1280] of two sets of images: smooth ones, and the same with noise."""
    r = np.random.default_rng(0)
    coarse = r.uniform(0, 255, (count, 4, 4, 3))
    smooth = coarse.repeat(8, axis=1).repeat(8, axis=2)
    sets = smooth, np.clip(smooth + 40 * r.normal(size=smooth.shape), 0, 255)
    apply = efficientnet_lite0.load().apply
    return [np.asarray(apply(images.astype(np.uint8))[0]) for images in sets]


if __name__ == "__main__":
    a, b = features_of(int(sys.argv[2]))
    np.savez(sys.argv[1], a=a, b=b)
