"""The same networks in PyTorch, written for the comparison only. `jaxgen` never imports this."""

import torch
from torch import nn


def mlp_generator(size=28, channels=1, latent_dim=100, eps=1e-5):
    """The generator of PyTorch-GAN's GAN: latents [B, latent_dim] -> images [B, C, H, W] in [-1, 1].

    eps: of its BatchNorms. PyTorch-GAN has 0.8 there, where a momentum was meant.
    """
    layers, features = [], latent_dim
    for wide in (128, 256, 512, 1024):
        layers += [nn.Linear(features, wide)] + [nn.BatchNorm1d(wide, eps)] * (wide > 128) + [nn.LeakyReLU(0.2, True)]
        features = wide
    pixels = channels * size * size
    return nn.Sequential(*layers, nn.Linear(features, pixels), nn.Tanh(), nn.Unflatten(1, (channels, size, size)))


def mlp_discriminator(size=28, channels=1):
    """The discriminator of PyTorch-GAN's GAN: images [B, C, H, W] -> logits [B]."""
    layers = [nn.Flatten(), nn.Linear(channels * size * size, 512), nn.LeakyReLU(0.2, True)]
    layers += [nn.Linear(512, 256), nn.LeakyReLU(0.2, True), nn.Linear(256, 1), nn.Flatten(0)]
    return nn.Sequential(*layers)


def radford_generator(size=32, channels=3, latent_dim=100, width=64, start=4):
    """DCGAN generator of Radford et al.: [B, latent_dim, 1, 1] -> images [B, C, H, W] in [-1, 1]."""
    count = (size // start).bit_length() - 1
    features = width * 2 ** (count - 1)
    layers = [nn.ConvTranspose2d(latent_dim, features, start, bias=False), nn.BatchNorm2d(features), nn.ReLU(True)]
    for _ in range(count - 1):
        layers += [nn.ConvTranspose2d(features, features // 2, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(features // 2), nn.ReLU(True)]
        features //= 2
    layers += [nn.ConvTranspose2d(features, channels, 4, 2, 1, bias=False), nn.Tanh()]
    return _normal_init(nn.Sequential(*layers))


def radford_discriminator(size=32, channels=3, width=64, start=4):
    """DCGAN discriminator of Radford et al.: images [B, C, H, W] -> logits [B]."""
    count = (size // start).bit_length() - 1
    layers = []
    for stage in range(count):
        layers += [nn.Conv2d(channels, width << stage, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(width << stage)] * (stage > 0) + [nn.LeakyReLU(0.2, True)]
        channels = width << stage
    return _normal_init(nn.Sequential(*layers, nn.Conv2d(channels, 1, start, bias=False), nn.Flatten(0)))


def pytorch_gan_generator(size=32, channels=3, latent_dim=100, width=64, eps=1e-5):
    """The upsampling generator of PyTorch-GAN's DCGAN: latents [B, latent_dim] -> images [B, C, H, W] in [-1, 1].

    eps: of all BatchNorms but the first. PyTorch-GAN has 0.8 there, where a momentum was meant.
    """
    wide = 2 * width
    return _normal_init(
        nn.Sequential(
            nn.Linear(latent_dim, wide * (size // 4) ** 2),
            nn.Unflatten(1, (wide, size // 4, size // 4)),
            nn.BatchNorm2d(wide),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(wide, wide, 3, 1, 1),
            nn.BatchNorm2d(wide, eps),
            nn.LeakyReLU(0.2, True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(wide, width, 3, 1, 1),
            nn.BatchNorm2d(width, eps),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(width, channels, 3, 1, 1),
            nn.Tanh(),
        )
    )


def pytorch_gan_discriminator(size=32, channels=3, width=64, eps=1e-5):
    """The discriminator of PyTorch-GAN's DCGAN: images [B, C, H, W] -> logits [B]. eps: eps of its BatchNorms."""
    layers = []
    for stage in range(4):
        features = width // 4 << stage
        layers += [nn.Conv2d(channels, features, 3, 2, 1), nn.LeakyReLU(0.2, True), nn.Dropout2d(0.25)]
        layers += [nn.BatchNorm2d(features, eps)] * (stage > 0)
        channels = features
    return _normal_init(nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * (size // 16) ** 2, 1), nn.Flatten(0)))


def vae_encoder(size=32, channels=3, latent_dim=128, width=64, start=4):
    """Encoder of the convolutional VAE: images [B, C, H, W] -> mean and log variance side by side [B, 2 latent_dim]."""
    count = (size // start).bit_length() - 1
    layers = []
    for stage in range(count):
        layers += [nn.Conv2d(channels, width << stage, 4, 2, 1), nn.ReLU(True)]
        channels = width << stage
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * start * start, 2 * latent_dim))


def vae_decoder(size=32, channels=3, latent_dim=128, width=64, start=4):
    """Decoder of the convolutional VAE: latents [B, latent_dim] -> [B, C, H, W], unbounded."""
    count = (size // start).bit_length() - 1
    features = width << (count - 1)
    layers = [nn.Linear(latent_dim, features * start * start), nn.Unflatten(1, (features, start, start)), nn.ReLU(True)]
    for _ in range(count - 1):
        layers += [nn.ConvTranspose2d(features, features // 2, 4, 2, 1), nn.ReLU(True)]
        features //= 2
    return nn.Sequential(*layers, nn.ConvTranspose2d(features, channels, 4, 2, 1))


def _normal_init(network):
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    return network


class GANTraining:
    """PyTorch-GAN's loop: G first, then D on the same fakes and on reals in separate passes, with BCE and Adam."""

    def __init__(self, generator, discriminator, images, latent_shape, batch):
        self.generator, self.discriminator, self.images = generator.train(), discriminator.train(), images
        self.latent_shape, self.batch = latent_shape, batch
        self.g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.loss = nn.BCEWithLogitsLoss()
        self.ones, self.zeros = torch.ones(batch), torch.zeros(batch)

    def step(self):
        """One update of both networks on a random batch of the uint8 images."""
        self.update(random_batch(self.images, self.batch))

    def update(self, real):
        """One update of both networks on real images [n, C, H, W] in [-1, 1], n at most the batch."""
        ones, zeros = self.ones[: len(real)], self.zeros[: len(real)]
        self.g_optimizer.zero_grad()
        fake = self.generator(torch.randn(len(real), *self.latent_shape))
        self.loss(self.discriminator(fake), ones).backward()
        self.g_optimizer.step()
        self.d_optimizer.zero_grad()
        real_loss = self.loss(self.discriminator(real), ones)
        fake_loss = self.loss(self.discriminator(fake.detach()), zeros)
        ((real_loss + fake_loss) / 2).backward()
        self.d_optimizer.step()


class VAETraining:
    """Negative ELBO with a unit-variance Gaussian likelihood, trained by Adam."""

    def __init__(self, encoder, decoder, images, batch):
        self.encoder, self.decoder, self.images, self.batch = encoder.train(), decoder.train(), images, batch
        self.optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)

    def step(self):
        """One update on a random batch of the uint8 images."""
        real = random_batch(self.images, self.batch)
        self.optimizer.zero_grad()
        mean, log_variance = self.encoder(real).chunk(2, dim=1)
        output = self.decoder(mean + torch.exp(log_variance / 2) * torch.randn_like(mean))
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        loss = (0.5 * (output - real).square().sum((1, 2, 3)) + divergence).mean()
        loss.backward()
        self.optimizer.step()


def random_batch(images, batch):
    """`batch` of the uint8 images [N, C, H, W], as float32 in [-1, 1]."""
    return images[torch.randint(len(images), (batch,))].float() / 127.5 - 1
