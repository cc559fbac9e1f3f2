"""StyleGAN2 with the `cifar` settings in PyTorch, written for the speed comparison. `jaxgen` never imports this.

Generator "skip", discriminator "orig" (Karras et al. 2020, limited data, appendix), logistic loss, R1 every 16th
iteration, Adam. Images are [N, C, H, W]. `fused`: each image's own kernel in a grouped convolution, as StyleGAN2
trains on GPUs. Otherwise activations are scaled before and after one convolution.
"""

import math

import torch
from torch import nn
from torch.nn import functional

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
SQRT2 = math.sqrt(2)


def fir(x, padding, gain=1.0):
    """Depthwise convolution with the 4x4 filter. Padding (left, right, top, bottom)."""
    channels = x.shape[1]
    kernel = (gain * torch.outer(TAPS, TAPS)).expand(channels, 1, 4, 4)
    return functional.conv2d(functional.pad(x, padding), kernel, groups=channels)


def upsample(x):
    """Twice the size: zeros between the pixels, then the filter with gain 4."""
    n, c, h, w = x.shape
    x = functional.pad(x.reshape(n, c, h, 1, w, 1), (0, 1, 0, 0, 0, 1)).reshape(n, c, 2 * h, 2 * w)
    return fir(x, (2, 1, 2, 1), 4.0)


def activate(x):
    return functional.leaky_relu(x, 0.2) * SQRT2


class Dense(nn.Module):
    """Dense layer with an equalised learning rate."""

    def __init__(self, inputs, outputs, rate=1.0, bias=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.gain, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x):
        return functional.linear(x, self.weight * self.gain, self.bias * self.rate)


class ModulatedConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias, LeakyReLU, or, of size 1, the projection to the image's channels."""

    def __init__(self, inputs, outputs, latent, size=3, up=False, fused=False):
        super().__init__()
        self.affine = Dense(latent, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(())) if size == 3 else None
        self.size, self.up, self.fused = size, up, fused

    def convolve(self, x, weight, groups=1):
        if not self.up:
            return functional.conv2d(x, weight, padding=self.size // 2, groups=groups)
        if groups == 1:
            weight = weight.transpose(0, 1)
        else:
            _, inputs, *_ = weight.shape
            weight = weight.reshape(groups, -1, inputs, 3, 3).transpose(1, 2).flatten(0, 1)
        return fir(functional.conv_transpose2d(x, weight, stride=2, groups=groups), (1, 1, 1, 1), 4.0)

    def forward(self, x, w):
        styles, n = self.affine(w), x.shape[0]
        if self.size == 1:
            styles = styles / math.sqrt(x.shape[1])
        demodulate = self.size == 3
        if self.fused:
            weight = self.weight * styles[:, None, :, None, None]
            if demodulate:
                weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
            y = self.convolve(x.reshape(1, -1, *x.shape[2:]), weight.flatten(0, 1), n)
            x = y.reshape(n, -1, *y.shape[2:])
        else:
            x = self.convolve(x * styles[:, :, None, None], self.weight)
            if demodulate:
                energy = styles.square() @ self.weight.square().sum((2, 3)).t()
                x = x * (energy + 1e-8).rsqrt()[:, :, None, None]
        if self.strength is not None:
            x = x + self.strength * torch.randn(n, 1, *x.shape[2:])
        x = x + self.bias[:, None, None]
        return (activate(x) if demodulate else x).clamp(-256, 256)


class Generator(nn.Module):
    """Latents [N, latent] -> images [N, channels, side, side]: a mapping network of two layers, synthesis "skip"."""

    def __init__(self, side=32, channels=3, latent=512, width=512, fused=False):
        super().__init__()
        self.mapping = nn.ModuleList([Dense(latent, latent, rate=0.01) for _ in range(2)])
        self.const = nn.Parameter(torch.randn(width, 4, 4))
        self.convolutions, self.projections = nn.ModuleList(), nn.ModuleList()
        for level in range(int(math.log2(side)) - 1):
            if level:
                self.convolutions.append(ModulatedConv(width, width, latent, up=True, fused=fused))
            self.convolutions.append(ModulatedConv(width, width, latent, fused=fused))
            self.projections.append(ModulatedConv(width, channels, latent, size=1, fused=fused))

    def forward(self, z):
        w = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.mapping:
            w = activate(layer(w))
        x, image = self.const.expand(len(z), -1, -1, -1), None
        for i, convolution in enumerate(self.convolutions):
            x = convolution(x, w)
            if i % 2 == 0:
                shown = self.projections[i // 2](x, w)
                image = shown if image is None else upsample(image) + shown
        return image


class Conv(nn.Module):
    """Convolution with an equalised learning rate, bias, LeakyReLU. `down` filters and halves the size."""

    def __init__(self, inputs, outputs, size=3, down=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain, self.down = 1 / math.sqrt(inputs * size * size), down

    def forward(self, x):
        weight = self.weight * self.gain
        if self.down:
            x = functional.conv2d(fir(x, (2, 2, 2, 2)), weight, self.bias, stride=2)
        else:
            x = functional.conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)
        return activate(x).clamp(-256, 256)


class Discriminator(nn.Module):
    """Images -> logits [N]: "orig", minibatch standard deviation over groups of at most `group`."""

    def __init__(self, side=32, channels=3, width=512, group=32):
        super().__init__()
        layers = [Conv(channels, width, size=1)]
        for _ in range(int(math.log2(side)) - 2):
            layers += [Conv(width, width), Conv(width, width, down=True)]
        self.layers = nn.Sequential(*layers)
        self.last = Conv(width + 1, width)
        self.dense, self.out = Dense(width * 16, width), Dense(width, 1)
        self.group = group

    def forward(self, images):
        x = self.layers(images)
        n, _, h, w = x.shape
        grouped = x.reshape(min(self.group, n), -1, *x.shape[1:])
        deviation = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
        deviation = deviation.repeat(grouped.shape[0]).reshape(n, 1, 1, 1).expand(n, 1, h, w)
        x = self.last(torch.cat([x, deviation], 1))
        return self.out(activate(self.dense(x.flatten(1))))[:, 0]


class Training:
    """Iterations of the `cifar` settings on random images. `step(regularise)` runs one, with R1 or without."""

    def __init__(self, images, batch, *, fused=False, channels_last=False, gamma=0.01, interval=16, **sizes):
        self.g = Generator(fused=fused, **sizes)
        self.d = Discriminator(**{key: value for key, value in sizes.items() if key != "latent"})
        if channels_last:
            self.g, self.d = (net.to(memory_format=torch.channels_last) for net in (self.g, self.d))
            images = images.to(memory_format=torch.channels_last)
        self.images, self.batch, self.gamma, self.interval = images, batch, gamma, interval
        self.latent = sizes.get("latent", 512)
        rates = [(lazy / (lazy + 1), net) for lazy, net in ((4, self.g), (interval, self.d))]
        self.tx_g, self.tx_d = (
            torch.optim.Adam(net.parameters(), 0.0025 * c, betas=(0.0, 0.99**c), eps=1e-8) for c, net in rates
        )

    def parameters(self) -> int:
        """Trained numbers of both networks."""
        return sum(p.numel() for net in (self.g, self.d) for p in net.parameters())

    def reals(self):
        chosen = self.images[torch.randint(len(self.images), (self.batch,))]
        return chosen.float() / 127.5 - 1

    def latents(self):
        return torch.randn(self.batch, self.latent)

    def step(self, regularise=False):
        reals = self.reals()
        self.d.requires_grad_(False)
        self.tx_g.zero_grad()
        functional.softplus(-self.d(self.g(self.latents()))).mean().backward()
        self.tx_g.step()
        self.d.requires_grad_(True)
        self.tx_d.zero_grad()
        with torch.no_grad():
            fakes = self.g(self.latents())
        functional.softplus(self.d(fakes)).mean().backward()
        functional.softplus(-self.d(reals)).mean().backward()
        self.tx_d.step()
        if regularise:
            self.tx_d.zero_grad()
            reals = reals.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(self.d(reals).sum(), reals, create_graph=True)
            penalty = gradient.square().sum((1, 2, 3)).mean() * (self.gamma / 2) * self.interval
            penalty.backward()
            self.tx_d.step()
