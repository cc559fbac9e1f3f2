"""CoGAN (Liu and Tuzel 2016) on MNIST at 28x28: digits and their edges, without a single pair, 10 epochs.

Edges are the dilated image minus the image, as in the paper's first task. DCGAN's convolutions in a quarter of their
width, where the authors' networks have 1,024 channels. Adam 2e-4 (0.5, 0.999) and batch 64 as in their code.

Paper: Liu and Tuzel 2016, Coupled generative adversarial networks.
Published: No number of samples' quality was at hand.
Differs: in PyTorch-GAN the discriminators share their first layers, the reverse of the paper. Here they share all but
  the first. Its second data set is a download.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("dcgan_mnist")
    config.recipe.name = config.model.name = "cogan"
    return config
