"""The posterior's own prior: N(0, I) for Gaussian latents."""


def build(settings, image_shape: tuple[int, ...]) -> None:
    """No prior with parameters."""
    del settings, image_shape
