"""DIP-VAE-I: the covariance of the posteriors' means is drawn to the identity (Kumar et al. 2018, equation 6)."""

from collections.abc import Callable

from jaxgen.losses.regularizers import dip


def build(settings, num_examples: int) -> Callable:
    """The penalty on Cov[mean]. Keys and errors as for `dip.build_for`. The authors take lambda_d = 10 lambda_od."""
    del num_examples
    return dip.build_for(settings, lambda codes: dip.covariance(codes.mean), "dip_i")
