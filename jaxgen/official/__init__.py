"""NVIDIA's published StyleGAN2 networks: their files read and written, their settings turned into configs."""
