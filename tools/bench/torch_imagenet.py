"""The ImageNet nets of the zoo's benchmark in PyTorch alone, for machines without torchvision: its layers in its order,
without auxiliary heads. net(name, classes) gives the module in training mode.
"""
import torch
from torch import nn

INCEPTIONS = {  # input, 1 x 1, 3 x 3 behind its reduction, second 3 x 3 behind its, behind the pool
    "3": [(192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64)],
    "4": [(480, 192, 96, 208, 16, 48, 64), (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64),
          (512, 112, 144, 288, 32, 64, 64), (528, 256, 160, 320, 32, 128, 128)],
    "5": [(832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128)]}
VGG16 = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]


def relu():
    return nn.ReLU(inplace=True)


def wide_head(features, classes, dropout_first):
    layers = [nn.Flatten()]
    for width in (features, 4096):
        block = [nn.Linear(width, 4096), relu()]
        layers += [nn.Dropout(), *block] if dropout_first else [*block, nn.Dropout()]
    return [*layers, nn.Linear(4096, classes)]


def alexnet(classes):
    layers = [nn.Conv2d(3, 64, 11, 4, 2), relu(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), relu(),
              nn.MaxPool2d(3, 2)]
    for before, after in ((192, 384), (384, 256), (256, 256)):
        layers += [nn.Conv2d(before, after, 3, padding=1), relu()]
    return nn.Sequential(*layers, nn.MaxPool2d(3, 2), nn.AdaptiveAvgPool2d(6), *wide_head(9216, classes, True))


def vgg16(classes):
    layers, before = [], 3
    for count, after in VGG16:
        for _ in range(count):
            layers += [nn.Conv2d(before, after, 3, padding=1), relu()]
            before = after
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), *wide_head(25088, classes, False))


def conv_bn(before, after, kernel, stride=1, eps=1e-5, activated=True):
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(after, eps), *([relu()] if activated else [])]


class Residual(nn.Module):
    def __init__(self, before, width, stride, bottleneck):
        super().__init__()
        after = 4 * width if bottleneck else width
        self.path = nn.Sequential(*(
            conv_bn(before, width, 1) + conv_bn(width, width, 3, stride) + conv_bn(width, after, 1, activated=False)
            if bottleneck else conv_bn(before, width, 3, stride) + conv_bn(width, width, 3, activated=False)))
        plain = before == after and stride == 1
        self.shortcut = nn.Identity() if plain else nn.Sequential(*conv_bn(before, after, 1, stride, activated=False))

    def forward(self, x):
        return torch.relu_(self.path(x) + self.shortcut(x))


def resnet(counts, bottleneck, classes):
    layers, before = [*conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for stage, count in enumerate(counts):
        for i in range(count):
            width = 64 << stage
            layers.append(Residual(before, width, 2 if i == 0 and stage > 0 else 1, bottleneck))
            before = 4 * width if bottleneck else width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


class Inception(nn.Module):
    def __init__(self, before, one, reduce3, three, reduce5, five, pooled):
        super().__init__()
        self.paths = nn.ModuleList(nn.Sequential(*path) for path in (
            conv_bn(before, one, 1, eps=1e-3),
            conv_bn(before, reduce3, 1, eps=1e-3) + conv_bn(reduce3, three, 3, eps=1e-3),
            conv_bn(before, reduce5, 1, eps=1e-3) + conv_bn(reduce5, five, 3, eps=1e-3),
            [nn.MaxPool2d(3, 1, 1)] + conv_bn(before, pooled, 1, eps=1e-3)))

    def forward(self, x):
        return torch.cat([path(x) for path in self.paths], 1)


def googlenet(classes):
    def pool(kernel):
        return nn.MaxPool2d(kernel, 2, ceil_mode=True)

    third, fourth, fifth = ([Inception(*block) for block in blocks] for blocks in INCEPTIONS.values())
    return nn.Sequential(*conv_bn(3, 64, 7, 2, 1e-3), pool(3), *conv_bn(64, 64, 1, eps=1e-3),
                         *conv_bn(64, 192, 3, eps=1e-3), pool(3), *third, pool(3), *fourth, pool(2), *fifth,
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1024, classes))


class DenseLayer(nn.Module):
    def __init__(self, before):
        super().__init__()
        self.path = nn.Sequential(nn.BatchNorm2d(before), relu(), *conv_bn(before, 128, 1),
                                  nn.Conv2d(128, 32, 3, padding=1, bias=False))

    def forward(self, maps):
        return self.path(torch.cat(maps, 1))


class DenseBlock(nn.Module):
    def __init__(self, count, before):
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(before + 32 * i) for i in range(count))

    def forward(self, x):
        maps = [x]
        for layer in self.layers:
            maps.append(layer(maps))
        return torch.cat(maps, 1)


def densenet121(classes):
    layers, width = [*conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for count in (6, 12, 24, 16):
        layers.append(DenseBlock(count, width))
        width += 32 * count
        layers += [nn.BatchNorm2d(width), relu()]
        if count != 16:
            layers += [nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
            width //= 2
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def net(name, classes):
    nets = {"alexnet": alexnet, "vgg16": vgg16, "googlenet": googlenet, "densenet121": densenet121,
            "resnet18": lambda k: resnet((2, 2, 2, 2), False, k), "resnet50": lambda k: resnet((3, 4, 6, 3), True, k)}
    return nets[name](classes)
