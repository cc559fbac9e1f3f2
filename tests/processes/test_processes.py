"""Diffusion processes and their solvers on Gaussian data, for which the best network is known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxgen.ops.pixels import from_uint8
from jaxgen.processes import edm, flow_matching, variational
from jaxgen.recipes import diffusion_solvers

MEAN, DEVIATION = 0.3, 0.6
VARIATIONAL = variational.of(variational.PARAMS)
PROCESSES = pytest.mark.parametrize(
    "process", [edm, flow_matching, VARIATIONAL], ids=["edm", "flow_matching", "variational"]
)


def best_image(x, signal, noise):
    """E[image | x] for x = signal * image + noise * N(0, 1), image ~ N(MEAN, DEVIATION^2)."""
    return MEAN + signal * DEVIATION**2 / ((signal * DEVIATION) ** 2 + noise**2) * (x - signal * MEAN)


def best_network(process):
    """The network whose outputs make `process` denoise as well as can be."""

    def of_edm(scaled, number):
        sigma = jnp.exp(4 * number)[:, None]
        variance = sigma**2 + edm.SIGMA_DATA**2
        x = scaled * jnp.sqrt(variance)
        image = best_image(x, 1.0, sigma)
        return (image - edm.SIGMA_DATA**2 / variance * x) * jnp.sqrt(variance) / (sigma * edm.SIGMA_DATA)

    def of_flow(x, t):
        t = t[:, None]
        # E[image - noise | x], where the noise is what is left of x.
        mean_of_x, variance = t * MEAN, (t * DEVIATION) ** 2 + (1 - t) ** 2
        return MEAN + (t * DEVIATION**2 - (1 - t)) / variance * (x - mean_of_x)

    def of_variational(x, number):
        signal, noise = (jnp.sqrt(jax.nn.sigmoid(sign * 8 * number))[:, None] for sign in (-1, 1))
        return (x - signal * best_image(x, signal, noise)) / noise

    return of_edm if process is edm else of_flow if process is flow_matching else of_variational


@PROCESSES
def test_the_best_network_denoises_to_the_posterior_mean(process):
    x = jnp.linspace(-2, 2, 12).reshape(4, 3)
    for t in (0.05, 0.4, 0.9):
        expected = best_image(x, *process.coefficients(t))
        np.testing.assert_allclose(process.denoise(best_network(process), x, t), expected, rtol=2e-5, atol=2e-5)
        each = process.denoise(best_network(process), x, jnp.full(4, t))
        np.testing.assert_allclose(each, expected, rtol=2e-5, atol=2e-5)


def test_the_target_of_edms_network_has_variance_1_at_every_noise_level():
    """Equation 8: where the data have deviation SIGMA_DATA, a network that says 0 has a loss of 1 at each level."""
    images = edm.SIGMA_DATA * jax.random.normal(jax.random.key(1), (4096, 16))
    losses = np.asarray(edm.loss(lambda x, number: 0 * x, images, jax.random.key(0), jnp.arange(4096)))
    assert losses.mean() == pytest.approx(1, abs=0.02)
    numbers = []
    edm.loss(lambda x, number: numbers.append(number) or 0 * x, images, jax.random.key(0), jnp.arange(4096))
    levels = np.exp(4 * np.asarray(numbers[0]))
    assert losses[levels < 0.1].mean() == pytest.approx(1, abs=0.04)
    assert losses[levels > 1].mean() == pytest.approx(1, abs=0.04)


def test_noise_levels_of_edm():
    np.testing.assert_allclose(edm.times(18)[:4], [80.0, 57.6, 40.8, 28.4], rtol=2e-3)
    np.testing.assert_allclose(edm.times(18)[-2:], [0.002, 0.0], rtol=1e-3)
    assert len(edm.times(18)) == 19


@pytest.mark.parametrize("process", [edm, flow_matching], ids=["edm", "flow_matching"])
def test_the_best_network_has_the_lowest_loss(process):
    images = MEAN + DEVIATION * jax.random.normal(jax.random.key(3), (8192, 1))
    best = best_network(process)

    def loss(change):
        network = lambda x, number: best(x, number) * (1 + change) + change / 2  # noqa: E731
        return float(process.loss(network, images, jax.random.key(0), jnp.arange(8192)).mean())

    assert loss(0.0) < min(loss(0.1), loss(-0.1))


def test_flow_matchings_loss_is_that_of_gaussians():
    """The variance of image - noise, given the state, integrated over t by quadrature."""
    t = (np.arange(20_000) + 0.5) / 20_000
    state = (t * DEVIATION) ** 2 + (1 - t) ** 2
    expected = np.mean(DEVIATION**2 + 1 - (t * DEVIATION**2 - (1 - t)) ** 2 / state)
    images = MEAN + DEVIATION * jax.random.normal(jax.random.key(3), (2048, 64))
    losses = flow_matching.loss(best_network(flow_matching), images, jax.random.key(0), jnp.arange(2048))
    assert float(losses.mean()) == pytest.approx(expected, rel=0.02)


def end_of(process, solver, steps, start):
    return np.asarray(solver(process, best_network(process), process.START * start, process.times(steps)), np.float64)


@PROCESSES
def test_the_flow_ends_where_the_closed_form_does_and_heun_is_of_second_order(process):
    """The flow of Gaussians is linear: the state keeps its place in units of the deviation, around the mean."""
    start = jnp.linspace(-2, 2, 5)[:, None]
    if process is edm:  # the flow starts from N(0, 80^2), and the exact marginal is N(MEAN, 80^2 + DEVIATION^2)
        place = (np.asarray(start) * edm.START - MEAN) / np.hypot(edm.START, DEVIATION)
    elif process is flow_matching:
        place = np.asarray(start)
    else:
        signal, noise = map(float, process.coefficients(1.0))
        place = (np.asarray(start) - signal * MEAN) / np.hypot(signal * DEVIATION, noise)
    expected = MEAN + DEVIATION * place
    heun = [np.abs(end_of(process, diffusion_solvers.heun, n, start) - expected).max() for n in (32, 64)]
    euler = [np.abs(end_of(process, diffusion_solvers.euler, n, start) - expected).max() for n in (32, 64)]
    assert heun[1] < 0.005
    # The last state of the variational process still has a little noise.
    assert (2.5 if process is VARIATIONAL else 3) < heun[0] / heun[1] < 6
    assert 1.7 < euler[0] / euler[1] < 2.4
    assert heun[1] < euler[1] / 3


@pytest.mark.full
@PROCESSES
def test_ancestral_samples_have_the_datas_distribution(process):
    ids = jnp.arange(4000)
    start = process.START * jax.random.normal(jax.random.key(5), (4000, 1))

    def samples(steps, rows=slice(None)):
        times, network, key = process.times(steps), best_network(process), jax.random.key(6)
        return diffusion_solvers.ancestral(process, network, start[rows], times, key, ids[rows])

    few, many = samples(64), samples(256)
    assert float(many.mean()) == pytest.approx(MEAN, abs=0.04)
    assert float(many.std()) == pytest.approx(DEVIATION, rel=0.03)
    assert few.std() < many.std()  # a step leaves out the spread of the images behind a state
    np.testing.assert_allclose(samples(64, slice(7, 9)), few[7:9], rtol=1e-5, atol=1e-6)


@PROCESSES
def test_the_density_of_gaussian_data_is_scipys(process):
    if process is VARIATIONAL:
        process = variational.Process(-13.3, 10.0)  # the end of the usual schedule still has 8% of the signal
    x = jnp.asarray([[0.1, 0.5], [-1.0, 1.2], [0.3, 0.3]])
    probe = jnp.asarray([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    times = process.reversible_times(128 if process in (edm, flow_matching) else 512)
    given = diffusion_solvers.log_density(process, best_network(process), x, times, probe)
    expected = stats.norm(MEAN, DEVIATION).logpdf(np.asarray(x)).sum(1)
    np.testing.assert_allclose(given, expected, atol=0.012)


LEVELS, SHARES = np.array([0, 100, 255], np.uint8), np.array([0.5, 0.25, 0.25])


def best_of_levels(process):
    """The network that knows that images are three gray levels with unequal shares."""
    levels = from_uint8(jnp.asarray(LEVELS))

    def network(x, number):
        gamma = 8 * number
        alpha, sigma = (jnp.sqrt(jax.nn.sigmoid(sign * gamma))[:, None, None] for sign in (-1, 1))
        logits = jnp.log(SHARES) - 0.5 * jnp.square((x[..., None] - alpha * levels) / sigma)
        image = jnp.sum(jax.nn.softmax(logits) * levels, axis=-1)
        return (x - alpha[..., 0] * image) / sigma[..., 0]

    return network


@pytest.mark.full
@pytest.mark.parametrize("ends", [(-13.3, 5.0), (-15.0, 7.0)])
def test_the_variational_bound_of_the_best_network_is_the_entropy_of_gray_levels(ends):
    """The bound of Kingma et al. is tight for the best network: -sum p log p nats a pixel, whatever the schedule."""
    process = variational.Process(*ends)
    chosen = np.random.default_rng(0).choice(3, p=SHARES, size=(40_000, 4))
    images = from_uint8(jnp.asarray(LEVELS[chosen]))
    nats = process.log_likelihood(best_of_levels(process), images, jax.random.key(1), jnp.arange(40_000))
    drawn = np.mean(-np.log(SHARES[chosen]).sum(1))  # of these very images
    assert -float(nats.mean()) == pytest.approx(drawn, rel=0.03)
    loss = process.loss(best_of_levels(process), images, jax.random.key(1), jnp.arange(40_000))
    np.testing.assert_allclose(loss, -nats / 4, rtol=1e-6)


@pytest.mark.full
def test_each_term_of_the_variational_bound_moves_its_end_of_the_schedule():
    """A network that says 0 has errors of 1 everywhere, so that the three terms have closed forms."""
    images = from_uint8(jnp.full((2048, 64), 77, jnp.uint8))

    def bound(gamma_0, gamma_1):
        process = variational.Process(gamma_0, gamma_1)
        return -process.log_likelihood(lambda x, n: 0 * x, images, jax.random.key(0), jnp.arange(2048)).mean() / 64

    sigma, alpha = (1 / (1 + np.exp(sign * 5.0)) for sign in (-1, 1))
    prior = 0.5 * (sigma + alpha * float(images[0, 0]) ** 2 - 1 - np.log(sigma))
    assert float(bound(-13.3, 5.0)) == pytest.approx(prior + 0.5 * 18.3, rel=0.01)
    by_first, by_last = jax.grad(bound, (0, 1))(-16.0, 5.0)
    assert float(by_first) == pytest.approx(-0.5, abs=0.02)  # the gray levels are safe, and a longer way costs more
    assert float(by_last) == pytest.approx(0.5, abs=0.02)
    # Where noise hides the gray levels, a shorter way saves nothing.
    assert float(jax.grad(bound)(-7.0, 5.0)) == pytest.approx(0, abs=0.02)


def test_times_of_a_batch_fill_the_interval_evenly():
    seen = []
    process = VARIATIONAL
    images = jnp.zeros((64, 2)) - 1
    process.log_likelihood(lambda x, n: seen.append(n) or 0 * x, images, jax.random.key(3), jnp.arange(64))
    times = np.sort((8 * np.asarray(seen[0]) + 13.3) / 18.3)
    assert np.diff(times).max() < 3 / 64
    assert 0 <= times[0] < 3 / 64
    assert 61 / 64 < times[-1] <= 1
