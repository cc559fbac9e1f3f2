"""ClusterGAN (Mukherjee et al. 2019) on MNIST at 28x28, to the authors' constants: 10 clusters and 30 latents.

WGAN-GP with 5 critic updates a step, weights 10 and 10, Adam 1e-4 (0.5, 0.9), batch 64, latents of deviation 0.1.
10 epochs of images of the generator, and 50 of the critic. The authors' code has 500,000 steps.

Paper: Mukherjee, Asnani, Lin and Kannan 2019, ClusterGAN: latent space clustering in generative adversarial networks.
Published: ACC 0.910 +- 0.040, NMI 0.854 +- 0.036, ARI 0.829 +- 0.062 over 10 runs, by k-means on the encoder's output.
Differs: PyTorch-GAN has latents of deviation 0.75 and, unless told, no Wasserstein loss. Its discriminator's step goes
  through the generator that has just moved.
Reached: not trained at full length. Width 32, one critic update a step: fd_efficientnet_lite0 111.84 +- 0.19 of 2,048
  samples, NMI 0.141 after 1,440 steps, 362 s on one core (commit 020e124).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("wgan_gp_mnist")
    config.recipe.name = config.model.name = "cluster_gan"
    config.model.update({"width": 64, "latent_dim": 30, "architecture": "radford"})
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.b1 = 0.5
    return config
