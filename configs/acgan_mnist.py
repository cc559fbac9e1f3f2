"""AC-GAN on MNIST (Odena et al. 2017) with the networks of `dcgan_mnist`: the discriminator also names the class.

Fakes have the classes of the real images of their batch. The class enters the generator beside its latents.

Paper: Odena, Olah and Shlens 2017, Conditional image synthesis with auxiliary classifier GANs.
Published: The paper gives no number for this data set.
Differs: PyTorch-GAN applies a softmax before a loss that has one, multiplies latents by an embedding of the class, and
  halves the discriminator's loss. Here the loss is L_S + L_C of the paper, from logits.
Reached: not trained at full length. Width 16: fd_efficientnet_lite0 12.73 +- 0.24 of 2,048 samples, conditional
  accuracy 0.950 after 26,210 steps, 541 s on one core (commit 220744b).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("dcgan_mnist")
    config.data.labels = True
    config.model.name, config.recipe.name = "headed_gan", "acgan"
    return config
