"""Families of a VAE's posterior q(z | x), one file each, each with the prior p(z) that belongs to it.

`config.recipe.posterior` names a file here that defines `build`: `(config.recipe, latent_dim) -> Posterior`. `base`
defines what a posterior is.
"""
