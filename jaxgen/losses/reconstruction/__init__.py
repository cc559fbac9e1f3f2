"""What else a VAE's decoder can be trained with: one file for each likelihood or reconstruction loss.

`config.recipe.likelihood` names a file here that defines `build`: `(config.recipe) -> Likelihood`. A loss that is no
density says `normalised=False`. The recipe then has no view "log_likelihood".
"""
