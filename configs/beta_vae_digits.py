"""beta-VAE (Higgins et al. 2017) with beta = 4 on scikit-learn's digits at 16x16, binarised anew at each visit.

beta = 4 and 10 latents are the paper's. beta rises over the first 500 steps (Bowman et al. 2016).

Paper: Higgins et al. 2017, beta-VAE: learning basic visual concepts with a constrained variational framework.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.digits(experiment("beta_vae_mnist"))
    config.recipe.beta_warmup = 500
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "fd_efficientnet_lite0")
    return presets.length(config, steps=3_000, per_dispatch=10)
