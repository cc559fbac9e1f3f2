"""StyleGAN2 config-f (Karras et al. 2020) on a folder of 1024x1024 images, as FFHQ: give --config.data.dir=FOLDER.

Batch 32, Adam 0.002 (0, 0.99), R1 gamma 10, path length weight 2, style mixing 0.9, generator skip, discriminator
resnet. 25,000 kimg (section 3 and appendix B). Eight mapping layers have a hundredth of the rate. bfloat16 at the four
highest resolutions replaces float16 in Karras et al. 2020, Training GANs with limited data.

Paper: Karras et al. 2020, Analyzing and improving the image quality of StyleGAN.
Published: FID 2.84 on FFHQ after 25,000 kimg.
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.image_folder(default.get_config(), size=1_024)
    config.recipe.name = config.model.name = "stylegan2"
    config.model.architecture = "skip"
    config.model.discriminator_architecture = "resnet"
    config.model.latent_dim = 512
    config.model.conv_clamp = 256.0
    config.model.bfloat16_resolutions = 4
    config.batch_size = 32
    config.recipe.r1_gamma = 10.0
    for player in (config.optimizers.generator, config.optimizers.discriminator):
        player.update({"learning_rate": 0.002, "b1": 0.0, "b2": 0.99})
    config.evaluation.num_samples = 50_000
    return presets.length(config, steps=781_250, every=4_000, per_dispatch=10)  # 25,000 kimg
