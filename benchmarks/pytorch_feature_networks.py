"""The feature networks in PyTorch, written for the comparison and the tests only. `jaxgen` never imports this."""

import torch
from torch import nn
from torch.nn import functional


class ConvNorm(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, inputs, outputs, size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x):
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """One Inception block: named convolutions, joined by `forward` of its kind."""

    def __init__(self, pool="average", **convolutions):
        super().__init__()
        self.pool = pool
        for name, arguments in convolutions.items():
            setattr(self, name, ConvNorm(*arguments))

    def pooled(self, x):
        if self.pool == "max":
            return self.branch_pool(functional.max_pool2d(x, 3, 1, 1))
        return self.branch_pool(functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False))


class Mixed35(Mixed):
    def __init__(self, inputs, pooled):
        super().__init__(
            branch1x1=(inputs, 64, 1),
            branch5x5_1=(inputs, 48, 1),
            branch5x5_2=(48, 64, 5, 1, 2),
            branch3x3dbl_1=(inputs, 64, 1),
            branch3x3dbl_2=(64, 96, 3, 1, 1),
            branch3x3dbl_3=(96, 96, 3, 1, 1),
            branch_pool=(inputs, pooled, 1),
        )

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, self.pooled(x)], 1)


class Mixed6a(Mixed):
    def __init__(self):
        super().__init__(
            branch3x3=(288, 384, 3, 2),
            branch3x3dbl_1=(288, 64, 1),
            branch3x3dbl_2=(64, 96, 3, 1, 1),
            branch3x3dbl_3=(96, 96, 3, 2),
        )

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, functional.max_pool2d(x, 3, 2)], 1)


class Mixed17(Mixed):
    def __init__(self, width):
        row, column = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
        super().__init__(
            branch1x1=(768, 192, 1),
            branch7x7_1=(768, width, 1),
            branch7x7_2=(width, width, *row),
            branch7x7_3=(width, 192, *column),
            branch7x7dbl_1=(768, width, 1),
            branch7x7dbl_2=(width, width, *column),
            branch7x7dbl_3=(width, width, *row),
            branch7x7dbl_4=(width, width, *column),
            branch7x7dbl_5=(width, 192, *row),
            branch_pool=(768, 192, 1),
        )

    def forward(self, x):
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.pooled(x)], 1)


class Mixed7a(Mixed):
    def __init__(self):
        super().__init__(
            branch3x3_1=(768, 192, 1),
            branch3x3_2=(192, 320, 3, 2),
            branch7x7x3_1=(768, 192, 1),
            branch7x7x3_2=(192, 192, (1, 7), 1, (0, 3)),
            branch7x7x3_3=(192, 192, (7, 1), 1, (3, 0)),
            branch7x7x3_4=(192, 192, 3, 2),
        )

    def forward(self, x):
        single = self.branch3x3_2(self.branch3x3_1(x))
        double = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([single, double, functional.max_pool2d(x, 3, 2)], 1)


class Mixed8(Mixed):
    def __init__(self, inputs, pool):
        row, column = ((1, 3), 1, (0, 1)), ((3, 1), 1, (1, 0))
        super().__init__(
            pool,
            branch1x1=(inputs, 320, 1),
            branch3x3_1=(inputs, 384, 1),
            branch3x3_2a=(384, 384, *row),
            branch3x3_2b=(384, 384, *column),
            branch3x3dbl_1=(inputs, 448, 1),
            branch3x3dbl_2=(448, 384, 3, 1, 1),
            branch3x3dbl_3a=(384, 384, *row),
            branch3x3dbl_3b=(384, 384, *column),
            branch_pool=(inputs, 192, 1),
        )

    def forward(self, x):
        single, double = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        single = self.branch3x3_2a(single), self.branch3x3_2b(single)
        double = self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)
        return torch.cat([self.branch1x1(x), *single, *double, self.pooled(x)], 1)


class Inception(nn.Module):
    """The FID Inception: images float32 [B, 3, 299, 299] -> features at 64, 192, 768 and 2048, and unbiased logits."""

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, 1, 1)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = Mixed35(192, 32), Mixed35(256, 64), Mixed35(288, 64)
        self.Mixed_6a = Mixed6a()
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = (Mixed17(w) for w in (128, 160, 160, 192))
        self.Mixed_7a = Mixed7a()
        self.Mixed_7b, self.Mixed_7c = Mixed8(1280, "average"), Mixed8(2048, "max")
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x):
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        exits = [x := functional.max_pool2d(x, 3, 2)]
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        exits.append(x := functional.max_pool2d(x, 3, 2))
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        exits.append(x := self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x)))))
        exits.append(self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))))
        features = [x.mean((2, 3)) for x in exits]
        return *features, features[-1] @ self.fc.weight.T


class EfficientNetBlock(nn.Module):
    """Inverted bottleneck of the lite variant: expand, depthwise, project, with ReLU6 and without squeeze."""

    def __init__(self, inputs, outputs, expansion, size, stride):
        super().__init__()
        wide = inputs * expansion
        if expansion != 1:
            self._expand_conv = nn.Conv2d(inputs, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = nn.Conv2d(wide, wide, size, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)
        self.expands, self.residual = expansion != 1, inputs == outputs and stride == 1

    def forward(self, x):
        y = functional.relu6(self._bn0(self._expand_conv(x)), inplace=True) if self.expands else x
        y = functional.relu6(self._bn1(same_convolution(self._depthwise_conv, y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Images float32 [B, 3, 224, 224] -> features [B, 1280] and logits [B, 1000]."""

    # (repeats, kernel side, stride of the first, expansion, output channels)
    STAGES = (
        *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
        *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
    )

    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, eps=1e-3)
        blocks, inputs = [], 32
        for repeats, size, stride, expansion, outputs in self.STAGES:
            for repeat in range(repeats):
                blocks.append(EfficientNetBlock(inputs, outputs, expansion, size, 1 if repeat else stride))
                inputs = outputs
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = nn.Conv2d(inputs, 1280, 1, bias=False), nn.BatchNorm2d(1280, eps=1e-3)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = self._blocks(functional.relu6(self._bn0(same_convolution(self._conv_stem, x)), inplace=True))
        features = functional.relu6(self._bn1(self._conv_head(x)), inplace=True).mean((2, 3))
        return features, self._fc(features)


def same_convolution(conv, x):
    """A convolution with TensorFlow's "SAME" padding, which has the odd pixel at the bottom and right."""
    pads = []
    for length, size, stride in zip(x.shape[2:], conv.kernel_size, conv.stride, strict=True):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        pads.append((total // 2, total - total // 2))
    (top, bottom), (left, right) = pads
    if (top, left) == (bottom, right):
        return functional.conv2d(x, conv.weight, None, conv.stride, (top, left), 1, conv.groups)
    x = functional.pad(x, (left, right, top, bottom))
    return functional.conv2d(x, conv.weight, None, conv.stride, 0, 1, conv.groups)
