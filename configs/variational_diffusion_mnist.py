"""Variational diffusion (Kingma et al. 2021) on MNIST at 28x28, with the small U-Net of `diffusion_mnist`.

The loss is the bound in continuous time. The noise schedule is linear in log SNR, and its ends are learned. Adam 2e-4
(0.9, 0.99) as in the paper. Samples take 100 ancestral steps.

Paper: Kingma, Salimans, Poole and Ho 2021, Variational diffusion models.
Published: The paper gives no number for this data set.
Differs: the paper's network keeps the resolution and also sees Fourier features of the image. It is far larger.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("diffusion_mnist")
    config.recipe.update({"process": "variational", "sampler": "ancestral", "sampling_steps": 100})
    config.optimizers.denoiser.update({"learning_rate": 2e-4, "b2": 0.99})
    config.evaluation.metrics = ("bits_per_dim", "fid")
    return config
