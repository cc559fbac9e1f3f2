"""How many operations StyleGAN2 needs, by counting: what a compiled step is compared with."""

from jaxgen.models.stylegan2 import StyleGAN2
from jaxgen.models.stylegan2.synthesis import resolutions, width


def products(model: StyleGAN2, side: int, channels: int) -> tuple[int, int]:
    """Products of the convolutions and dense layers in one image's forward pass, of generator and discriminator.

    Where the resolution is doubled the zeros between the pixels are not multiplied, filters are not counted.

    Args:
      side, channels: of the images.
    """
    mapping, synthesis, critic = model.mapping, model.synthesis, model.discriminator
    generator = mapping.num_layers * mapping.w_dim**2 + mapping.num_classes * mapping.w_dim
    discriminator = 0
    for r in resolutions(side):
        features, below = (width(s, synthesis.channel_base, synthesis.channel_max) for s in (r, r // 2))
        layers = [] if r == 4 else [(below, features, r // 2)]
        for c_in, c_out, at in [*layers, (features, features, r)]:
            generator += 9 * c_in * c_out * at**2 + mapping.w_dim * c_in
        if synthesis.architecture == "resnet" and r > 4:
            generator += below * features * (r // 2) ** 2
        if synthesis.architecture == "skip" or r == side:
            generator += features * channels * r**2 + mapping.w_dim * features
        features, below = (width(s, critic.channel_base, critic.channel_max) for s in (r, r // 2))
        if critic.architecture == "skip" or r == side:
            discriminator += channels * features * r**2
        if r == 4:
            discriminator += 9 * (features + 1) * features * 16 + 16 * features**2 + features
        else:
            discriminator += 9 * features * (features * r**2 + below * (r // 2) ** 2)
        if critic.architecture == "resnet" and r > 4:
            discriminator += features * below * (r // 2) ** 2
    return generator, discriminator


def step_operations(model: StyleGAN2, side: int, channels: int, batch: int) -> dict[str, float]:
    """Floating-point operations of a step's phases, two for each product: "main", "r1", "path_length" (a whole batch).

    A derivative by the inputs costs a forward pass, one by the weights another. A gradient's own derivative goes back
    through both: twice the two.
    """
    g, d = products(model, side, channels)
    # Generator: both forward, through D by its inputs, G by both. Discriminator: G forward, D by both on two batches.
    main = (g + d + d + 2 * g) + (g + 2 * 3 * d)
    return {"main": 2.0 * batch * main, "r1": 2.0 * batch * 6 * d, "path_length": 2.0 * batch * 6 * g}
