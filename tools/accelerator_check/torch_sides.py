"""The same networks in PyTorch on this machine's card, for part "fast": the networks of benchmarks/, in several forms.

Without PyTorch, or without a form of a network there, there is no side, and the reason is told instead.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
_IMAGES = 1024


class Calls:
    """Work by calls. wait: waits for what the last call returned."""

    steps = 1

    def __init__(self, call: Callable, wait: Callable):
        self._call, self._wait, self._last = call, wait, None

    def start(self) -> None:
        """Begins one call."""
        self._last = self._call()

    def finish(self) -> None:
        """Waits for all calls."""
        self._wait(self._last)


def training(name: str, config: ConfigDict, precision: str, parameters: int) -> tuple[dict[str, Calls], str]:
    """Trainings of the same networks by form: eager or compiled, and both memory layouts. And why there are none.

    Args:
      name: the experiment.
      config: of the experiment. PyTorch keeps no moving average, which is the only difference of the work.
      precision: TF32, bfloat16 (autocast) or float32.
      parameters: trained numbers of jaxgen's networks. PyTorch must have as many.
    """
    makers = {"dcgan_cifar": _dcgan, "vae_cifar": _vae, "stylegan2_cifar": _stylegan2}
    torch = _torch(precision)
    if torch is None:
        return {}, "PyTorch is not installed"
    if name not in makers:
        return {}, "benchmarks/ has no PyTorch form of these networks"
    images = np.random.default_rng(0).integers(0, 256, (_IMAGES, 3, 32, 32), dtype=np.uint8)
    sides, said = {}, []
    for form, step, count in makers[name](torch, torch.as_tensor(images, device=_device(torch)), config):
        if count != parameters:
            return {}, f"PyTorch's networks have {count:,} numbers, jaxgen's {parameters:,}"
        side = Calls(_in_precision(torch, precision, step), lambda _: _wait(torch))
        try:
            side.start()
            side.finish()
        except Exception as error:  # torch.compile's own, of many types: the other forms still count
            said.append(f"{form}: {type(error).__name__}: {str(error)[:200]}")
        else:
            sides[form] = side
    return sides, "; ".join(said)


def inception(tensors: dict[str, np.ndarray], images: np.ndarray) -> tuple[dict[str, Calls], str]:
    """The Inception network of benchmarks/ with these weights, in both memory layouts, compiled and not."""
    torch = _torch("TF32")
    if torch is None:
        return {}, "PyTorch is not installed"
    import pytorch_feature_networks

    device, sides = _device(torch), {}
    for layout in ("contiguous_format", "channels_last"):
        network = pytorch_feature_networks.Inception().eval()
        network.load_state_dict({key: torch.tensor(value) for key, value in tensors.items()}, strict=False)
        network = network.to(device, memory_format=getattr(torch, layout))

        def run(network=network, layout=layout):
            x = torch.as_tensor(images, device=device).permute(0, 3, 1, 2).float()
            x = x.contiguous(memory_format=getattr(torch, layout))
            x = torch.nn.functional.interpolate(x, (299, 299), mode="bilinear", align_corners=False)
            with torch.inference_mode():
                return network((x - 127.5) / 127.5)

        sides[layout] = Calls(run, lambda _: _wait(torch))
    return sides, ""


def _torch(precision: str):
    """The module, told of the device and of TF32, or None."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    if str(_BENCHMARKS) not in sys.path:
        sys.path.insert(0, str(_BENCHMARKS))
    torch.set_default_device(_device(torch))  # the modules of benchmarks/ make their tensors there
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.backends.cudnn.benchmark = True
    return torch


def _device(torch) -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _wait(torch) -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _in_precision(torch, precision: str, step: Callable) -> Callable:
    def run():
        narrow = torch.autocast(_device(torch), torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
        with narrow:
            step()

    return run


def _count(*networks) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def _forms(torch, make: Callable):
    """(form, step, trained numbers): eager in both memory layouts, and compiled. make: networks -> training."""
    for form, layout in (("eager", "contiguous"), ("eager", "channels last"), ("compiled", "channels last")):
        networks, start = make()
        if layout == "channels last":
            networks = [network.to(memory_format=torch.channels_last) for network in networks]
        count = _count(*networks)
        if form == "compiled":
            if not torch.cuda.is_available():  # minutes on a CPU
                continue
            networks = [torch.compile(network, dynamic=False) for network in networks]
        yield f"{form}, {layout}", start(*networks).step, count


def _dcgan(torch, images, config: ConfigDict):
    import pytorch_models as side

    width, latent = config.model.width, config.model.latent_dim

    def make():
        networks = side.radford_generator(width=width, latent_dim=latent), side.radford_discriminator(width=width)
        return networks, lambda g, d: side.GANTraining(g, d, images, (latent, 1, 1), config.batch_size)

    return _forms(torch, make)


def _vae(torch, images, config: ConfigDict):
    import pytorch_models as side

    sizes = {"width": config.model.width, "latent_dim": config.model.latent_dim}

    def make():
        networks = side.vae_encoder(**sizes), side.vae_decoder(**sizes)
        return networks, lambda e, d: side.VAETraining(e, d, images, config.batch_size)

    return _forms(torch, make)


def _stylegan2(torch, images, config: ConfigDict):
    """R1 at every 16th step, as in jaxgen. torch.compile has no second derivatives, which R1 needs."""
    from pytorch_stylegan2 import Training

    from jaxgen.models.stylegan2.synthesis import width

    model = config.model
    sizes = {"latent": model.latent_dim, "width": width(32, model.channel_base, model.channel_max)}
    for fused in (True, False):
        for last in (False, True):
            side = Training(images, config.batch_size, fused=fused, channels_last=last, **sizes)
            taken = iter(range(10**9))
            name = f"{'fused' if fused else 'plain'}, {'channels last' if last else 'contiguous'}"
            yield name, lambda side=side, taken=taken: side.step(next(taken) % 16 == 0), side.parameters()
