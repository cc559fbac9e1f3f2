"""VQ-VAE (van den Oord et al. 2017) on scikit-learn's digits at 16x16: 4x4 codes out of 64, and a prior over them.

Commitment 0.25 and decay 0.99 are the paper's (section 3.2, appendix A.1). The networks are small, and learn five times
as fast (1e-3 instead of 2e-4).

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_digits, 1,500 steps, three seeds: fd_efficientnet_lite0 11.2 +- 1.4, 64 s
  a seed (commit 6bd453c).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.digits(default.get_config())
    config.recipe.name = config.model.name = "vq_vae"
    config.model.width = 32
    config.model.num_codes = 64
    config.model.code_dim = 16
    config.model.prior_width = 64
    config.model.prior_layers = 2
    config.model.batch_norm = False
    return config
