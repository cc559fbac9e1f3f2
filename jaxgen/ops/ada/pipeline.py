"""The pipeline of augmentations, in the order of the paper (figure 2a and appendix B)."""

import jax

from jaxgen.ops.ada import color, filtering, geometry
from jaxgen.ops.ada.draw import Draw

BLIT, GEOMETRY, COLOR, FILTER, NOISE, CUTOUT = "blit", "geometry", "color", "filter", "noise", "cutout"
# As the paper abbreviates them.
CHOICES = {
    "b": (BLIT,),
    "bg": (BLIT, GEOMETRY),
    "bgc": (BLIT, GEOMETRY, COLOR),
    "bgcf": (BLIT, GEOMETRY, COLOR, FILTER),
    "bgcfn": (BLIT, GEOMETRY, COLOR, FILTER, NOISE),
    "bgcfnc": (BLIT, GEOMETRY, COLOR, FILTER, NOISE, CUTOUT),
    "g": (GEOMETRY,),
    "c": (COLOR,),
}


def augment(images: jax.Array, key: jax.Array, ids: jax.Array, strength: jax.Array, groups: tuple[str, ...]):
    """Images [N, H, W, C] in [-1, 1], C 1 or 3, each augmentation of `groups` done with probability `strength`.

    Args:
      images: differentiable, to any order.
      key, ids: random numbers belong to the example of that number in the global batch.
      strength: p, a traced scalar in [0, 1]; 0 leaves the images as they are.
      groups: a value of `CHOICES`.
    """
    draws = {name: Draw(jax.random.fold_in(key, i), ids, strength) for i, name in enumerate(CHOICES["bgcfnc"])}
    _, height, width, channels = images.shape
    matrix = None
    for name, matrices in ((BLIT, geometry.blitting), (GEOMETRY, geometry.general)):
        if name in groups:
            of_group = matrices(draws[name], height, width)
            matrix = of_group if matrix is None else matrix @ of_group
    if matrix is not None:
        images = geometry.transform(images, matrix)
    if COLOR in groups:
        images = color.transform_colors(images, color.color_matrix(draws[COLOR], channels))
    if FILTER in groups:
        images = filtering.filter_bands(images, draws[FILTER])
    if NOISE in groups:
        images = filtering.add_noise(images, draws[NOISE])
    if CUTOUT in groups:
        images = filtering.cut_out(images, draws[CUTOUT])
    return images
