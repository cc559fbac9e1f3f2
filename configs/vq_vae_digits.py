"""VQ-VAE (van den Oord et al. 2017) on scikit-learn's digits at 16x16: 4x4 codes out of 64, and a prior over them.

Commitment 0.25 and decay 0.99 are the paper's (section 3.2, appendix A.1); the networks are small, and learn five times
as fast (1e-3 where the paper has 2e-4).
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.recipe.name = "vq_vae"
    config.model.name = "vq_vae"
    config.model.width = 32
    config.model.num_codes = 64
    config.model.code_dim = 16
    config.model.prior_width = 64
    config.model.prior_layers = 2
    config.model.batch_norm = False
    config.optimizers.vae.learning_rate = 1e-3
    config.evaluation.num_samples = 1_000
    config.evaluation.allow_few_samples = True  # 360 test images: marked in the output
    return config
