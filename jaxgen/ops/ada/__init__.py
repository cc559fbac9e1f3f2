"""The augmentations of adaptive discriminator augmentation (Karras et al. 2020, Training GANs with limited data)."""
