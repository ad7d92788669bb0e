"""The lecture notes' convolution nets in PyTorch, and torchvision's by name: the peer's side of the zoo's benchmark.

net(name, channels, classes) gives the module in training mode, INPUT[name] its input (channels, size, classes).
"""
import torch
from torch import nn

LECTURE = (1, 224, 10)
SMALL = (1, 96, 10)
INPUT = {"alexnet_d2l": LECTURE, "vgg11_d2l_quarter": LECTURE, "nin_d2l": LECTURE,
         "googlenet_d2l": SMALL, "resnet18_d2l": SMALL, "densenet_d2l": SMALL}
TORCHVISION = (3, 224, 1000)


def head(features, *hidden, classes=10):
    layers, width = [nn.Flatten()], features
    for size in hidden:
        layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(0.5)]
        width = size
    return layers + [nn.Linear(width, classes)]


def alexnet(channels, classes):
    conv = [nn.Conv2d(channels, 96, 11, 4, 1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(96, 256, 5, padding=2),
            nn.ReLU(), nn.MaxPool2d(3, 2)]
    for before, after in [(256, 384), (384, 384), (384, 256)]:
        conv += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*conv, nn.MaxPool2d(3, 2), *head(6400, 4096, 4096, classes=classes))


def vgg11_quarter(channels, classes):
    conv, before = [], channels
    for count, after in [(1, 16), (1, 32), (2, 64), (2, 128), (2, 128)]:
        for _ in range(count):
            conv += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            before = after
        conv.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*conv, *head(128 * 49, 4096, 4096, classes=classes))


def nin(channels, classes):
    def block(before, after, kernel, stride, padding):
        first = nn.Conv2d(before, after, kernel, stride, padding)
        return [first, nn.ReLU(), nn.Conv2d(after, after, 1), nn.ReLU(), nn.Conv2d(after, after, 1), nn.ReLU()]

    return nn.Sequential(*block(channels, 96, 11, 4, 0), nn.MaxPool2d(3, 2), *block(96, 256, 5, 1, 2),
                         nn.MaxPool2d(3, 2), *block(256, 384, 3, 1, 1), nn.MaxPool2d(3, 2), nn.Dropout(0.5),
                         *block(384, classes, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Inception(nn.Module):
    def __init__(self, before, c1, c2, c3, c4):
        super().__init__()
        self.paths = nn.ModuleList([
            nn.Sequential(nn.Conv2d(before, c1, 1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(before, c2[0], 1), nn.ReLU(), nn.Conv2d(c2[0], c2[1], 3, padding=1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(before, c3[0], 1), nn.ReLU(), nn.Conv2d(c3[0], c3[1], 5, padding=2), nn.ReLU()),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(before, c4, 1), nn.ReLU())])

    def forward(self, x):
        return torch.cat([path(x) for path in self.paths], 1)


def googlenet(channels, classes):
    def pool():
        return nn.MaxPool2d(3, 2, 1)

    return nn.Sequential(
        nn.Conv2d(channels, 64, 7, 2, 3), nn.ReLU(), pool(), nn.Conv2d(64, 64, 1), nn.ReLU(),
        nn.Conv2d(64, 192, 3, padding=1), nn.ReLU(), pool(),
        Inception(192, 64, (96, 128), (16, 32), 32), Inception(256, 128, (128, 192), (32, 96), 64), pool(),
        Inception(480, 192, (96, 208), (16, 48), 64), Inception(512, 160, (112, 224), (24, 64), 64),
        Inception(512, 128, (128, 256), (24, 64), 64), Inception(512, 112, (144, 288), (32, 64), 64),
        Inception(528, 256, (160, 320), (32, 128), 128), pool(),
        Inception(832, 256, (160, 320), (32, 128), 128), Inception(832, 384, (192, 384), (48, 128), 128),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, classes))


class Residual(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after)
        self.conv3 = nn.Conv2d(before, after, 1, stride) if before != after else None

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (self.conv3(x) if self.conv3 else x))


def resnet18(channels, classes, small=False):
    blocks, before = [], 64
    for after in (64, 128, 256, 512):
        blocks += [Residual(before, after, 1 if after == 64 else 2), Residual(after, after, 1)]
        before = after
    first = nn.Conv2d(channels, 64, 3, padding=1) if small else nn.Conv2d(channels, 64, 7, 2, 3)
    pool = [] if small else [nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(first, nn.BatchNorm2d(64), nn.ReLU(), *pool, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(512, classes))


def normed_conv(before, after, kernel, **options):
    return [nn.BatchNorm2d(before), nn.ReLU(), nn.Conv2d(before, after, kernel, **options)]


class DenseBlock(nn.Module):
    def __init__(self, count, before, growth):
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Sequential(*normed_conv(before + i * growth, growth, 3, padding=1)) for i in range(count)])

    def forward(self, x):
        for conv in self.convs:
            x = torch.cat((x, conv(x)), 1)
        return x


def densenet(channels, classes):
    layers, width = [nn.Conv2d(channels, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for i in range(4):
        layers.append(DenseBlock(4, width, 32))
        width += 4 * 32
        if i < 3:
            layers += [*normed_conv(width, width // 2, 1), nn.AvgPool2d(2, 2)]
            width //= 2
    return nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, classes))


def net(name, channels=None, classes=None):
    lecture = {"alexnet_d2l": alexnet, "vgg11_d2l_quarter": vgg11_quarter, "nin_d2l": nin, "googlenet_d2l": googlenet,
               "resnet18_d2l": resnet18, "densenet_d2l": densenet}
    if name in lecture:
        return lecture[name](channels or INPUT[name][0], classes or INPUT[name][2])
    try:
        import torchvision
    except ImportError:  # the same layers, spelled out
        import torch_imagenet

        return torch_imagenet.net(name, classes or TORCHVISION[2])
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    return getattr(torchvision.models, name)(num_classes=classes or TORCHVISION[2], **options)
