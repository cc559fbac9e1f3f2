"""StyleGAN2 (Karras et al. 2020): mapping and synthesis networks, discriminator."""

import math
from typing import NamedTuple

from jaxgen.errors import UserError
from jaxgen.models.stylegan2.discriminator import Discriminator
from jaxgen.models.stylegan2.layers import Mapping
from jaxgen.models.stylegan2.synthesis import Synthesis
from jaxgen.settings.lookup import unknown
from jaxgen.settings.number_ranges import AT_LEAST_ONE, require

_ARCHITECTURES = ["orig", "skip", "resnet"]


class StyleGAN2(NamedTuple):
    """The networks and the sizes between them.

    mapping: `(latents [N, z_dim], labels [N] or None) -> w [N, w_dim]`.
    synthesis: `(ws [N, num_ws, w_dim], noise) -> images [N, H, W, C]`. See `synthesis.Noise`.
    discriminator: `(images, labels, train) -> logits [N]`.
    """

    mapping: Mapping
    synthesis: Synthesis
    discriminator: Discriminator
    z_dim: int
    num_ws: int


def build(config, image_shape: tuple[int, int, int], num_classes: int, dtype) -> StyleGAN2:
    """The networks of `config.model` for images [R, R, C], R a power of two from 8 to 1024.

    Config keys: latent_dim (z and w), architecture (generator), discriminator_architecture, mapping_layers,
    mapping_lr_multiplier, channel_base, channel_max, conv_clamp, stddev_group, conditional, bfloat16_resolutions,
    fused_modulation.

    Raises:
      UserError: an image size that it cannot make, unknown architectures, classes asked for where there are none.
    """
    del dtype  # `bfloat16_resolutions` says where; the rest is float32
    if len(image_shape) != 3:
        raise UserError(f"config.model.name='stylegan2' makes images, but the data are vectors of {image_shape[0]}")
    height, side, channels = image_shape
    if height != side or side not in (1 << k for k in range(3, 11)):
        raise UserError(
            f"data.image_size: {height}x{side} is a size that StyleGAN2 cannot make. Images must be square, with a "
            f"side of 8, 16, 32, ..., 1024. Set data.image_size={1 << min(max(round(math.log2(side)), 3), 10)}"
        )
    for key in ("architecture", "discriminator_architecture"):
        if config[key] not in _ARCHITECTURES:
            raise UserError(unknown(f"config.model.{key}", config[key], _ARCHITECTURES))
    if config.conditional and not num_classes:
        raise UserError("config.model.conditional=True needs data with class labels, but these data have none")
    sizes = ("latent_dim", "mapping_layers", "channel_base", "channel_max", "stddev_group")
    require(config, "config.model", AT_LEAST_ONE, *sizes)
    if config.channel_base < side:
        raise UserError(f"config.model.channel_base={config.channel_base} leaves no channel at {side}x{side}")
    classes = num_classes if config.conditional else 0
    shared = {
        "channel_base": config.channel_base,
        "channel_max": config.channel_max,
        "clamp": config.conv_clamp or None,
        "bfloat16_resolutions": config.bfloat16_resolutions,
        "remat_resolutions": config.remat_resolutions,
    }
    synthesis = Synthesis(side, channels, architecture=config.architecture, fused=config.fused_modulation, **shared)
    return StyleGAN2(
        Mapping(config.latent_dim, config.mapping_layers, classes, config.mapping_lr_multiplier),
        synthesis,
        Discriminator(
            architecture=config.discriminator_architecture,
            num_classes=classes,
            group_size=config.stddev_group,
            **shared,
        ),
        config.latent_dim,
        synthesis.num_ws,
    )
