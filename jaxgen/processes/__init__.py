"""Ways from data to noise, and what a network has to learn to go back: one file for each diffusion process.

A module is one process. It defines:
  START: the standard deviation of the first state of a sample.
  times: `(steps) -> [steps + 1]`, from noise to data.
  reversible_times: the same for a likelihood, where every velocity is finite.
  coefficients: `(t) -> (signal, noise)`, with the state x_t = signal * image + noise * N(0, 1).
  denoise: `(network, x [B, ...], t) -> [B, ...]`, the estimated image. t is a scalar or [B].
  velocity: `(network, x, t) -> dx/dt` of the probability flow.
  loss: `(network, images, key, ids) -> [B]`, in training.
A process with learned numbers has `PARAMS`, their first values by name, and `of(params)`, which returns the above.
Optionally it has `log_likelihood`: `(network, images, key, ids) -> [B]`, a bound in nats on the probability of gray
levels. A process without one has the likelihood of its probability flow.

A network is `(x [B, ...], number [B]) -> [B, ...]`. The process chooses the number that describes t.
"""
