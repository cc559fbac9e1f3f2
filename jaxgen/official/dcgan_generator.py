"""Weights of the generator of PyTorch's DCGAN example (`netG`) in a state of the recipe `gan`, and back.

The network is a sequence `main` of transposed convolutions, BatchNorm and ReLU. Layer k lies at `main.3k`, and its
BatchNorm at `main.3k+1`. It is the `dcgan` of jaxgen in the form `radford` for images of 8, 16, 32, 64, ... pixels.
"""

import itertools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.official.description import source_of
from jaxgen.official.network_pickle import Network
from jaxgen.settings.default import get_config

START = 4  # side of the first layer's output
_NAME = re.compile(r"(?P<prefix>(?:.*\.)?)main\.(?P<place>\d+)\.(?P<kind>\w+)")
_NORM = ("weight", "bias", "running_mean", "running_var")
_COUNTER = "num_batches_tracked"


class Generator(NamedTuple):
    """tensors: of one generator by their names from `main.` on. latent_dim, width, side, channels: as in configs."""

    tensors: dict[str, np.ndarray]
    latent_dim: int
    width: int
    side: int
    channels: int

    def model(self) -> dict[str, Any]:
        """The keys of `config.model` that describe it."""
        bias = f"main.{3 * self.layers}.bias" in self.tensors
        keys = {"name": "dcgan", "architecture": "radford", "batch_norm": True, "output_bias": bias}
        return {**keys, "latent_dim": self.latent_dim, "width": self.width}

    @property
    def layers(self) -> int:
        """The number of layers that double the sides."""
        return (self.side // START).bit_length() - 1


def find(networks: Mapping[str, Network], where: str) -> Generator | None:
    """The generator among tensors that a file holds, or None if no names are those of `netG`.

    Args:
      networks: of `tensor_files.read_networks`. where: the file, for error lines.

    Raises:
      UserError: a `netG` of other layers than those of the example.
    """
    groups: dict[str, dict[str, np.ndarray]] = {}
    for network in networks.values():
        for name, tensor in network.tensors.items():
            if (match := _NAME.fullmatch(name)) and match["kind"] != _COUNTER:
                groups.setdefault(match["prefix"], {})[name.removeprefix(match["prefix"])] = tensor
    # The example's discriminator is a sequence `main`, too. It has no BatchNorm after its first layer.
    generators = {prefix: tensors for prefix, tensors in groups.items() if "main.1.running_mean" in tensors}
    if not generators:
        return None
    if len(generators) > 1:
        found = ", ".join(sorted(prefix.rstrip(".") or "main" for prefix in generators))
        raise UserError(f"{where} holds several generators: {found}. Save one of them in a file of its own")
    (tensors,) = generators.values()
    return _described(tensors, where)


def _described(tensors: dict[str, np.ndarray], where: str) -> Generator:
    """The sizes, after a check that there is nothing else than the example's layers."""
    kernels = {int(name.split(".")[1]): array for name, array in tensors.items() if array.ndim == 4}
    places = sorted(kernels)
    layers = len(places) - 1
    if places != list(range(0, 3 * layers + 1, 3)) or layers < 1:
        raise UserError(f"{where}: netG has convolutions at main.{places}, not at main.0, main.3, main.6 and so on")
    latent_dim, width = kernels[0].shape[0], kernels[3 * layers].shape[0]
    channels = [latent_dim, *(width << k for k in reversed(range(layers))), kernels[3 * layers].shape[1]]
    expected: dict[str, tuple[int, ...]] = {}
    for layer, (before, after) in enumerate(itertools.pairwise(channels)):
        expected[f"main.{3 * layer}.weight"] = (before, after, 4, 4)
        if layer < layers:
            expected |= {f"main.{3 * layer + 1}.{kind}": (after,) for kind in _NORM}
    bias = f"main.{3 * layers}.bias"
    if bias in tensors:
        expected[bias] = (channels[-1],)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | tensors.keys()):
        there, needed = found.get(name), expected.get(name)
        if there != needed:
            raise UserError(
                f"{where}: netG's {name} is {there or 'missing'}, but {needed or 'no such tensor'} in the DCGAN of "
                "PyTorch's examples. jaxgen lacks this kind of generator"
            )
        if not np.isfinite(tensors[name]).all():
            raise UserError(f"{where}: {name} has values that are not finite. Use weights of a successful training")
    if channels[-1] not in (1, 3):
        raise UserError(f"{where}: netG makes images with {channels[-1]} channels, but jaxgen needs 1 or 3")
    return Generator(tensors, latent_dim, width, START << layers, channels[-1])


def converted_config(generator: Generator, base: ConfigDict | None, data: str, data_dir: str) -> ConfigDict:
    """A config with the described model, for images of its size.

    Args:
      base: a config for data, training and evaluation. None takes the defaults.
      data: the name of a data source, or a folder or zip of images. "" takes the data of `base`, or none.
      data_dir: `config.data.dir`, the folder of the source's archives.
    """
    config = ConfigDict(base) if base is not None else get_config()
    with config.unlocked():
        config.model.update({**get_config().model.to_dict(), **generator.model()})
        config.recipe.name = "gan"
        if data:
            config.data.update(source_of(data, data_dir))
        elif base is None:
            config.data.name = "none"
        config.data.image_size, config.data.channels = generator.side, generator.channels
    return config.lock()


def players_of(generator: Generator) -> dict[str, dict[str, Any]]:
    """`{"g": {params, stats}, "ema": ...}`: the trained network is its own average.

    The first layer sees one pixel, so that it is a matrix product. The others are `lax.conv_transpose`, whose kernels
    are turned by half a turn against torch's.
    """
    tensors = {name: np.array(tensor, np.float32) for name, tensor in generator.tensors.items()}
    params, stats = {}, {}
    for layer in range(generator.layers + 1):
        kernel = tensors[f"main.{3 * layer}.weight"]
        if layer == 0:
            params["Dense_0"] = {"kernel": kernel.transpose(0, 2, 3, 1).reshape(len(kernel), -1)}
        else:
            turned = np.ascontiguousarray(kernel.transpose(2, 3, 0, 1)[::-1, ::-1])
            params[f"ConvTranspose_{layer - 1}"] = {"kernel": turned}
        if layer < generator.layers:
            scale, bias, mean, var = (tensors[f"main.{3 * layer + 1}.{kind}"] for kind in _NORM)
            params[f"BatchNorm_{layer}"] = {"scale": scale, "bias": bias}
            stats[f"BatchNorm_{layer}"] = {"mean": mean, "var": var}
    if (bias := tensors.get(f"main.{3 * generator.layers}.bias")) is not None:
        params[f"ConvTranspose_{generator.layers - 1}"]["bias"] = bias
    both = {"params": params, "stats": {"batch_stats": stats}}
    return {"g": both, "ema": both}


def is_one(player: Mapping[str, Any]) -> bool:
    """Whether arrays `{params, stats}` are those of such a generator, so that `tensors_of` can name them."""
    layers = {"Dense": "kernel", "BatchNorm": "scale", "ConvTranspose": "kernel"}
    params = player.get("params", {})
    if {name.rpartition("_")[0] for name in params} != layers.keys() or "ConvTranspose_0" not in params:
        return False
    first, second = (np.shape(params[name].get("kernel", 0)) for name in ("Dense_0", "ConvTranspose_0"))
    return "bias" not in params["Dense_0"] and len(second) == 4 and first[1] == START**2 * second[2]


def tensors_of(player: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The tensors of a generator `{params, stats}` of such a run under the names of `netG`. `players_of` is undone."""
    params, stats = player["params"], player["stats"]["batch_stats"]
    layers = sum(name.startswith("ConvTranspose") for name in params)
    first = np.asarray(params["Dense_0"]["kernel"])
    tensors = {"main.0.weight": first.reshape(len(first), START, START, -1).transpose(0, 3, 1, 2)}
    for layer in range(layers):
        norm, moments = params[f"BatchNorm_{layer}"], stats[f"BatchNorm_{layer}"]
        values = norm["scale"], norm["bias"], moments["mean"], moments["var"]
        tensors |= {f"main.{3 * layer + 1}.{kind}": value for kind, value in zip(_NORM, values, strict=True)}
        following = params[f"ConvTranspose_{layer}"]
        turned = np.asarray(following["kernel"])[::-1, ::-1].transpose(2, 3, 0, 1)
        tensors[f"main.{3 * layer + 3}.weight"] = turned
        if "bias" in following:
            tensors[f"main.{3 * layer + 3}.bias"] = following["bias"]
    return {name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()}
