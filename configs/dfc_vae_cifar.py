"""DFC-VAE (Hou et al. 2017) on CIFAR-10: a distance of VGG features in place of one of pixels, as vae_cifar.

Features are relu1_2, relu2_2 and relu3_3 of VGG16, where the paper takes three layers of VGG19. The weights are those
of lpips_vgg (`python -m jaxgen.weights`). A loss is no likelihood, so that there are no bits per dimension.

Paper: Hou et al. 2017, Deep feature consistent variational autoencoder.
Published: No number for this data set was at hand.
Differs: PyTorch-VAE gives VGG images that are not normalised as ImageNet's are.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_cifar")
    config.recipe.likelihood = "perceptual"
    return config
