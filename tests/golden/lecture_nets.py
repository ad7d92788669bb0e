"""The lecture notes' and the papers' convolution nets in PyTorch, with weft's names; used by zoo.py."""

from collections import OrderedDict

import torch
from torch import nn


def named(**layers):
    return nn.Sequential(OrderedDict(layers))


def numbered(*layers):
    """Layers numbered as in a plain Sequential; for layers with parameters the numbers are what counts."""
    return nn.Sequential(*layers)


def activated_linear(inputs, outputs, p):
    return [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(p)]


class Probe:
    """How many features a net makes of one image."""

    def __init__(self, channels, size):
        self.x = torch.zeros(1, channels, size, size)

    def __call__(self, features):
        features.eval()
        with torch.no_grad():
            count = features(self.x).numel()
        features.train()
        return count


def bn_lenet(channels, size, classes):
    features = numbered(
        nn.Conv2d(channels, 6, 5), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.AvgPool2d(2))
    flat = Probe(channels, size)(features)
    classifier = numbered(
        nn.Linear(flat, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(), nn.Linear(84, classes))
    return named(features=features, flatten=nn.Flatten(), classifier=classifier)


def lenet(channels, size, classes):
    features = numbered(
        nn.Conv2d(channels, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2))
    flat = Probe(channels, size)(features)
    classifier = numbered(
        nn.Linear(flat, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, classes))
    return named(features=features, flatten=nn.Flatten(), classifier=classifier)


def alexnet(channels, size, classes, paper=False):
    groups = 2 if paper else 1
    norm = [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)] if paper else []
    features = numbered(
        nn.Conv2d(channels, 96, 11, stride=4, padding=0 if paper else 1), nn.ReLU(), *norm, nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=groups), nn.ReLU(), *norm, nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=groups), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=groups), nn.ReLU(), nn.MaxPool2d(3, 2))
    flat = Probe(channels, size)(features)
    classifier = numbered(
        *activated_linear(flat, 4096, 0.5), *activated_linear(4096, 4096, 0.5), nn.Linear(4096, classes))
    return named(features=features, flatten=nn.Flatten(), classifier=classifier)


def vgg(convolutions, first, channels, size, classes):
    layers, before = [], channels
    for block, count in enumerate(convolutions):
        width = first * 2 ** min(block, 3)
        for _ in range(count):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    features = numbered(*layers)
    flat = Probe(channels, size)(features)
    classifier = numbered(
        *activated_linear(flat, 4096, 0.5), *activated_linear(4096, 4096, 0.5), nn.Linear(4096, classes))
    return named(features=features, flatten=nn.Flatten(), classifier=classifier)


class ReLUConv(nn.Conv2d):
    def forward(self, x):
        return torch.relu(super().forward(x))


def nin(last, channels, size, classes):
    def block(before, width, kernel, stride, padding, out=None):
        return numbered(
            ReLUConv(before, width, kernel, stride, padding), ReLUConv(width, width, 1),
            ReLUConv(width, out or width, 1))

    features = numbered(
        block(channels, 96, 11, 4, 0), nn.MaxPool2d(3, 2), block(96, 256, 5, 1, 2), nn.MaxPool2d(3, 2),
        block(256, 384, 3, 1, 1), nn.MaxPool2d(3, 2), nn.Dropout(0.5),
        block(384, last or classes, 3, 1, 1, classes))
    return named(features=features, avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())


class Inception(nn.Module):
    def __init__(self, before, c1, c2, c3, c4):
        super().__init__()
        self.p1_1 = nn.Conv2d(before, c1, 1)
        self.p2_1 = nn.Conv2d(before, c2[0], 1)
        self.p2_2 = nn.Conv2d(c2[0], c2[1], 3, padding=1)
        self.p3_1 = nn.Conv2d(before, c3[0], 1)
        self.p3_2 = nn.Conv2d(c3[0], c3[1], 5, padding=2)
        self.p4_1 = nn.MaxPool2d(3, 1, 1)
        self.p4_2 = nn.Conv2d(before, c4, 1)

    def forward(self, x):
        p1 = torch.relu(self.p1_1(x))
        p2 = torch.relu(self.p2_2(torch.relu(self.p2_1(x))))
        p3 = torch.relu(self.p3_2(torch.relu(self.p3_1(x))))
        p4 = torch.relu(self.p4_2(self.p4_1(x)))
        return torch.cat((p1, p2, p3, p4), dim=1)


def googlenet(channels, size, classes):
    pool = [nn.MaxPool2d(3, 2, 1)]
    return named(
        b1=numbered(ReLUConv(channels, 64, 7, 2, 3), *pool),
        b2=numbered(ReLUConv(64, 64, 1), ReLUConv(64, 192, 3, padding=1), *pool),
        b3=numbered(Inception(192, 64, (96, 128), (16, 32), 32), Inception(256, 128, (128, 192), (32, 96), 64), *pool),
        b4=numbered(
            Inception(480, 192, (96, 208), (16, 48), 64), Inception(512, 160, (112, 224), (24, 64), 64),
            Inception(512, 128, (128, 256), (24, 64), 64), Inception(512, 112, (144, 288), (32, 64), 64),
            Inception(528, 256, (160, 320), (32, 128), 128), *pool),
        b5=numbered(
            Inception(832, 256, (160, 320), (32, 128), 128), Inception(832, 384, (192, 384), (48, 128), 128)),
        avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(1024, classes))


class Residual(nn.Module):
    def __init__(self, before, width, convolved=False, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(before, width, 1, stride) if convolved else None
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (self.conv3(x) if self.conv3 else x))


def resnet18(small, channels, size, classes):
    stem = [nn.Conv2d(channels, 64, 3, 1, 1) if small else nn.Conv2d(channels, 64, 7, 2, 3), nn.BatchNorm2d(64)]
    stem += [nn.ReLU()] + ([] if small else [nn.MaxPool2d(3, 2, 1)])
    stages = {"layer1": numbered(Residual(64, 64), Residual(64, 64))}
    for i, width in enumerate([128, 256, 512]):
        stages[f"layer{i + 2}"] = numbered(Residual(width // 2, width, True, 2), Residual(width, width))
    return named(
        stem=numbered(*stem), **stages, avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(),
        fc=nn.Linear(512, classes))


class DenseBlock(nn.Module):
    def __init__(self, layers, before, growth):
        super().__init__()
        for i in range(layers):
            width = before + i * growth
            self.add_module(f"denselayer{i + 1}", named(
                norm1=nn.BatchNorm2d(width), relu=nn.ReLU(), conv1=nn.Conv2d(width, growth, 3, padding=1)))

    def forward(self, x):
        for layer in self.children():
            x = torch.cat((x, layer(x)), dim=1)
        return x


def densenet(channels, size, classes):
    parts = OrderedDict(
        conv0=nn.Conv2d(channels, 64, 7, 2, 3), norm0=nn.BatchNorm2d(64), relu0=nn.ReLU(), pool0=nn.MaxPool2d(3, 2, 1))
    width = 64
    for i in range(1, 5):
        parts[f"denseblock{i}"] = DenseBlock(4, width, 32)
        width += 128
        if i < 4:
            parts[f"transition{i}"] = named(
                norm=nn.BatchNorm2d(width), relu=nn.ReLU(), conv=nn.Conv2d(width, width // 2, 1), pool=nn.AvgPool2d(2))
            width //= 2
    parts["norm5"] = nn.BatchNorm2d(width)
    parts["relu5"] = nn.ReLU()
    return named(
        features=nn.Sequential(parts), avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(),
        classifier=nn.Linear(width, classes))


class ConvBN(nn.Module):
    def __init__(self, before, width, kernel=1, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(before, width, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=1e-3)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


class InceptionBN(nn.Module):
    def __init__(self, before, c1, r3, c3, r33, c33, pooled, use_max):
        super().__init__()
        stride = 1 if c1 else 2
        self.branch1x1 = ConvBN(before, c1) if c1 else None
        self.branch3x3 = numbered(ConvBN(before, r3), ConvBN(r3, c3, 3, stride, 1))
        self.branch3x3dbl = numbered(ConvBN(before, r33), ConvBN(r33, c33, 3, 1, 1), ConvBN(c33, c33, 3, stride, 1))
        self.pool = nn.MaxPool2d(3, stride, 1) if use_max or not c1 else nn.AvgPool2d(3, stride, 1)
        self.branch_pool = ConvBN(before, pooled) if pooled else None

    def forward(self, x):
        pooled = self.pool(x)
        out = [self.branch1x1(x)] if self.branch1x1 else []
        out += [self.branch3x3(x), self.branch3x3dbl(x)]
        return torch.cat(out + [self.branch_pool(pooled) if self.branch_pool else pooled], dim=1)


def inception_bn(channels, size, classes):
    table = {
        "3a": (64, 64, 64, 64, 96, 32), "3b": (64, 64, 96, 64, 96, 64), "3c": (0, 128, 160, 64, 96, 0),
        "4a": (224, 64, 96, 96, 128, 128), "4b": (192, 96, 128, 96, 128, 128), "4c": (160, 128, 160, 128, 160, 96),
        "4d": (96, 128, 192, 160, 192, 96), "4e": (0, 128, 192, 192, 256, 0), "5a": (352, 192, 320, 160, 224, 128),
        "5b": (352, 192, 320, 192, 224, 128),
    }
    parts = OrderedDict(
        conv1=ConvBN(channels, 64, 7, 2, 3), maxpool1=nn.MaxPool2d(3, 2, 1), conv2=ConvBN(64, 64),
        conv3=ConvBN(64, 192, 3, 1, 1), maxpool2=nn.MaxPool2d(3, 2, 1))
    width = 192
    for name, (c1, r3, c3, r33, c33, pooled) in table.items():
        parts["inception" + name] = InceptionBN(width, c1, r3, c3, r33, c33, pooled, name == "5b")
        width = c1 + c3 + c33 + (pooled or width)
    return named(**parts, avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(width, classes))
