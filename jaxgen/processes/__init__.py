"""Ways from data to noise, and what a network has to learn to go back: one file for each diffusion process.

A module is one process. It defines:
  START: the standard deviation of the first state of a sample.
  times: `(steps) -> [steps + 1]`, from noise to data.
  reversible_times: the same for a likelihood, where every velocity is finite.
  coefficients: `(t) -> (signal, noise)`, with the state x_t = signal * image + noise * N(0, 1).
  denoise: `(network, x [B, ...], t) -> [B, ...]`, the estimated image. t is a scalar or [B].
  velocity: `(network, x, t) -> dx/dt` of the probability flow.
  loss: `(network, images, key, ids) -> [B]`, in training.
A network is `(x [B, ...], number [B]) -> [B, ...]`. The process chooses the number that describes t.
"""
