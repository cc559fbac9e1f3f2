"""Describes published networks by `config.model`, or says why jaxgen lacks them, and makes their configs."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from jaxgen.data.container import open_container
from jaxgen.errors import UserError
from jaxgen.models.stylegan2.official import FILTER
from jaxgen.models.stylegan2.synthesis import width
from jaxgen.official.network_pickle import Network
from jaxgen.ops import ada
from jaxgen.settings.default import get_config
from jaxgen.settings.experiments import experiment

_UNLIMITED_GROUP = 1 << 16  # `None` there: all images of a batch are one group
# ADA's groups by the arguments of the augmentation pipeline that stand for them.
_ADA_GROUPS = {"b": "xint", "g": "scale", "c": "brightness", "f": "imgfilter", "n": "noise", "c2": "cutout"}
# What training does with the numbers; everything else of `config.model` is the network's own.
_COMPUTATION = ("bfloat16_resolutions", "fused_modulation")


class Description(NamedTuple):
    """model: keys of `config.model` and their values. resolution, channels: of the images. num_classes: 0 for none.

    w_avg_beta: decay of the mean w. half_precision_resolutions: so many of the highest were trained in float16.
    ada_pipeline, ada_p: of the training's augmentation, "" and 0.0 for none.
    """

    model: dict[str, Any]
    resolution: int
    channels: int
    num_classes: int
    w_avg_beta: float
    half_precision_resolutions: int
    ada_pipeline: str
    ada_p: float


def describe(networks: Mapping[str, Network], where: str, default: Mapping[str, Any] | None = None) -> Description:
    """Reads sizes from the tensors, and everything else from the layers or their arguments.

    Args:
      networks: "G_ema" or "G", and optionally "D" and "augment_pipe".
      where: the file, for error lines.
      default: `config.model` of a user's config, for files that hold tensors only.

    Raises:
      UserError: not a StyleGAN2, or a StyleGAN2 of a kind that jaxgen lacks.
    """
    name = "G_ema" if "G_ema" in networks else "G"
    g, d = networks[name], networks.get("D")
    tensors = g.tensors
    if "synthesis.b4.const" not in tensors or "synthesis.b4.conv1.weight" not in tensors:
        raise UserError(f"{where}: {name} is a {g.class_name or 'network'} without synthesis.b4, so no StyleGAN2")
    for network in filter(None, (g, d)):
        _check_filters_and_activations(network, where)
    widths = _widths(tensors)
    resolution = max(widths)
    w_dim = tensors["synthesis.b4.conv1.affine.weight"].shape[1]
    num_classes = tensors["mapping.embed.weight"].shape[1] if "mapping.embed.weight" in tensors else 0
    layers = sum(tensor.startswith("mapping.fc") and tensor.endswith(".weight") for tensor in tensors)
    if not layers or f"synthesis.b{resolution}.torgb.weight" not in tensors:
        raise UserError(f"{where}: {name} has no mapping.fc0 or no synthesis.b{resolution}.torgb, so no StyleGAN2")
    embedded = tensors["mapping.embed.weight"].shape[0] if num_classes else 0
    z_dim = tensors["mapping.fc0.weight"].shape[1] - embedded
    if z_dim != w_dim:
        raise UserError(f"{where}: z_dim={z_dim} and w_dim={w_dim} of {name} differ, but jaxgen needs them equal")
    default = default or {}
    clamp = _setting(g, "synthesis.b4.conv1", "conv_clamp", default.get("conv_clamp", 0.0))
    model = {
        "name": "stylegan2",
        "latent_dim": int(w_dim),
        "architecture": _architecture(tensors, "synthesis.", "torgb"),
        "discriminator_architecture": "resnet" if d is None else _architecture(d.tensors, "", "fromrgb"),
        "mapping_layers": layers,
        "mapping_lr_multiplier": _lr_multiplier(g, default.get("mapping_lr_multiplier", 0.01)),
        **_channels(_setting(g, "", "channel_base", 0), _setting(g, "", "channel_max", 0), widths, where),
        "conv_clamp": float(clamp or 0.0),
        "stddev_group": default.get("stddev_group", 4),
        "conditional": bool(num_classes),
    }
    if d is not None:
        model["stddev_group"] = _setting(d, "b4.mbstd", "group_size", model["stddev_group"], "mbstd_group_size")
        model["stddev_group"] = model["stddev_group"] or _UNLIMITED_GROUP
        _check_discriminator(d, model, where)
    return Description(
        model,
        resolution,
        int(tensors[f"synthesis.b{resolution}.torgb.weight"].shape[0]),
        int(num_classes),
        float(_setting(g, "mapping", "w_avg_beta", 0.995) or 0.995),
        int(_setting(g, "synthesis", "num_fp16_res", 0)),
        *_augmentation(networks.get("augment_pipe")),
    )


def converted_config(
    description: Description, training_set: dict[str, Any], base: ConfigDict | None, data: str, data_dir: str
) -> ConfigDict:
    """A config with the described model, for images of its size.

    Args:
      training_set: facts in the file about its data.
      base: a config for data, training and evaluation. None takes `configs/stylegan2_auto.py`.
      data: the name of a data source, or a folder or zip of images. "" takes the data of `base`, or none.
      data_dir: `config.data.dir`, the folder of the source's archives.
    """
    config = ConfigDict(base) if base is not None else _training(description, training_set)
    with config.unlocked():
        kept = {key: config.model[key] for key in _COMPUTATION}
        config.model.update({**get_config().model.to_dict(), **description.model, **kept})
        config.recipe.name = "stylegan2"
        config.recipe.w_avg_beta = description.w_avg_beta
        if data:
            config.data.update(source_of(data, data_dir))
        elif base is None:
            config.data.name = "none"
        config.data.image_size, config.data.channels = description.resolution, description.channels
        config.data.num_classes = description.num_classes
    return config.lock()


def _setting(network: Network, module: str, name: str, default: Any, argument: str = "") -> Any:
    """An attribute of a layer; else the argument that the network was made with; else `default`."""
    attributes = network.attributes.get(module, {})
    if name in attributes:
        return attributes[name]
    groups = [network.options.get(group) for group in ("synthesis_kwargs", "mapping_kwargs", "epilogue_kwargs")]
    for options in (network.options, *filter(None, groups)):
        if (argument or name) in options:
            return options[argument or name]
    return default


def _widths(tensors: Mapping[str, np.ndarray]) -> dict[int, int]:
    """Channels by resolution."""
    widths, resolution = {}, 4
    while (weight := tensors.get(f"synthesis.b{resolution}.conv1.weight")) is not None:
        widths[resolution] = int(weight.shape[0])
        resolution *= 2
    return widths


def _channels(base: int | None, largest: int | None, widths: Mapping[int, int], where: str) -> dict[str, int]:
    """channel_base and channel_max: those that the network was made with, or those that its widths show."""
    resolution = max(widths)
    by_widths = widths[resolution] * resolution, max(widths.values())
    for channel_base, channel_max in ((int(base or 0), int(largest or 0)), by_widths):
        if channel_base and all(width(r, channel_base, channel_max) == channels for r, channels in widths.items()):
            return {"channel_base": channel_base, "channel_max": channel_max}
    listed = ", ".join(f"{channels} at {r}" for r, channels in widths.items())
    raise UserError(f"{where}: channels are {listed}, but jaxgen needs min(channel_base / resolution, channel_max)")


def _architecture(tensors: Mapping[str, np.ndarray], prefix: str, image_layer: str) -> str:
    """How the blocks at `prefix` are joined; image_layer: the one between features and images."""
    if f"{prefix}b8.skip.weight" in tensors:
        return "resnet"
    return "skip" if f"{prefix}b4.{image_layer}.weight" in tensors else "orig"


def _lr_multiplier(network: Network, default: float) -> float:
    multiplier = _setting(network, "mapping.fc0", "bias_gain", None)
    return float(_setting(network, "", "lr_multiplier", default) if multiplier is None else multiplier)


def _check_filters_and_activations(network: Network, where: str) -> None:
    for name, tensor in network.tensors.items():
        if not np.isfinite(tensor).all():
            raise UserError(f"{where}: {name} has values that are not finite. Use weights of a successful training")
        if name.endswith("resample_filter") and (tensor.shape != FILTER.shape or not np.allclose(tensor, FILTER)):
            raise UserError(f"{where}: {name} is not the filter [1, 3, 3, 1], the only filter of jaxgen's StyleGAN2")
    groups = {name: value for name, value in network.options.items() if isinstance(value, dict)}
    for path, given in {**network.attributes, "the network": network.options, **groups}.items():
        if given.get("activation", "lrelu") not in ("lrelu", "linear"):
            raise UserError(f"{where}: {path} has the activation {given['activation']!r}, but jaxgen has only lrelu")
        if given.get("resample_filter", [1, 3, 3, 1]) not in ([1, 3, 3, 1], "<tensor>"):
            raise UserError(f"{where}: {path} has the filter {given['resample_filter']}, not jaxgen's [1, 3, 3, 1]")


def _check_discriminator(d: Network, model: Mapping[str, Any], where: str) -> None:
    """What is the same in G and D, or fixed, here."""
    clamp = float(_setting(d, "b4.conv", "conv_clamp", model["conv_clamp"]) or 0.0)
    if clamp != model["conv_clamp"]:
        raise UserError(f"{where}: conv_clamp is {model['conv_clamp']} in G and {clamp} in D, not equal")
    if _setting(d, "b4.mbstd", "num_channels", 1, "mbstd_num_channels") != 1:
        raise UserError(f"{where}: D's minibatch standard deviation does not add one channel, as jaxgen needs")
    if "mapping.embed.weight" in d.tensors and not math.isclose(_lr_multiplier(d, 0.01), 0.01):
        raise UserError(f"{where}: D.mapping's learning rate multiplier is not 0.01, the only value in jaxgen")


def _augmentation(pipe: Network | None) -> tuple[str, float]:
    """ADA's pipeline by its name in configs, and its p."""
    if pipe is None:
        return "", 0.0
    used = [group for group, argument in _ADA_GROUPS.items() if _setting(pipe, "", argument, 0)]
    name = "".join(group[0] for group in used)
    return name, float(pipe.tensors.get("p", np.zeros(())).reshape(-1)[:1].sum())


def source_of(data: str, data_dir: str) -> dict[str, str]:
    """Keys of `config.data` for the name of a source, or for a folder or zip of images."""
    path = Path(data).expanduser()
    if not path.exists():
        return {"name": data, "dir": data_dir}
    if data_dir:
        raise UserError(f"--data={data} is a folder or zip of images itself. Leave out --data_dir")
    open_container(path)
    return {"name": "folder", "dir": str(path.absolute())}


def _training(description: Description, training_set: dict[str, Any]) -> ConfigDict:
    """The settings that the ADA paper's code derives from the resolution, for training on: the average has settled."""
    config = experiment(f"stylegan2_auto:{description.resolution},1").unlock()
    config.num_devices = 0
    config.model.bfloat16_resolutions = 0  # it would round coarser than their float16
    config.recipe.ema_ramp = 0.0
    config.recipe.ada_pipeline = description.ada_pipeline if description.ada_pipeline in ada.CHOICES else ""
    config.data.flip = bool(training_set.get("xflip", False))
    return config
