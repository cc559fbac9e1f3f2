"""JointVAE (Dupont 2018) on dynamically binarised MNIST: 10 Gaussian latents and one variable of 10 categories.

Weight 30 and a capacity of 5 nats over 25,000 steps are the paper's for the Gaussian latents. Ten categories hold
ln 10 = 2.3026 nats, so that their capacity ends at 2.3. The networks are those of vae_mnist.

Paper: Dupont 2018, Learning disentangled joint continuous and discrete representations.
Published: No number for these networks was at hand.
Differs: PyTorch-VAE multiplies the weight by 0.00025, so that the capacities hardly count. Pythae takes the distance
  from the capacity for each image. Here it is that of the batch mean, as in the author's code.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_mnist")
    config.recipe.posterior = "joint"
    config.recipe.joint_capacities = (5.0, 2.3)
    config.model.latent_dim = 20
    return presets.length(config, steps=40_000, every=1_000)
