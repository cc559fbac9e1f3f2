"""Distributions of latents that are fitted after training, one file each.

A name in `config.evaluation.latent_samplers` is a file here. It defines:
  facts: `(config.evaluation) -> dict`, the settings that change the fit.
  fit: `(latents [N, Z], config.evaluation, seed, facts) -> LatentSampler`.
  restore: `(arrays, facts) -> LatentSampler`, from the arrays of a file, or `Mismatch`.
`base` defines what a sampler is.
"""
