"""Priors of a VAE with a Gaussian posterior, one file each.

`config.recipe.prior` names a file here that defines `build`: `(config.recipe, image_shape) -> Prior`, or None for a
prior without parameters, which belongs to the posterior. `base` defines what a prior is.
"""
