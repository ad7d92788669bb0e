"""Makes tests/golden/files/blocks.json: what PyTorch computes with LeNet and with a block of each further family, from
weights and images that follow from a formula (zoo.py); tests/emulated/blocks_test.cc repeats it. Per block: every
seventh number of its output, the loss, and for the gradients of its input and of each parameter the norm and the
component along a drawn direction. Computed in f64; prints how far PyTorch's own 16-bit types are from it. Needs torch,
torchvision and timm from PyPI."""

import pathlib
import sys

import numpy
import torch
from torch import nn
from torchvision.models.densenet import _DenseBlock
from torchvision.models.resnet import BasicBlock, Bottleneck

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import lecture_nets as lecture
import zoo


def shortcut(before, width, stride):
    return nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))


# name: (shape of x, net)
BLOCKS = {
    "lenet": ((2, 1, 28, 28), lambda: lecture.lenet(1, 28, 10)),
    "basic_block": ((2, 16, 8, 8), lambda: BasicBlock(16, 32, 2, shortcut(16, 32, 2))),
    "bottleneck": ((2, 32, 5, 5), lambda: Bottleneck(32, 8)),
    "dense_block": ((2, 16, 6, 6), lambda: _DenseBlock(2, 16, 4, 8, 0)),
    "inception_d2l": ((2, 16, 6, 6), lambda: lecture.Inception(16, 8, (8, 16), (8, 8), 8)),
}


def run(name, dtype, low=None):
    shape, make = BLOCKS[name]
    net = make()
    zoo.fill(net)
    net.to(dtype).train()
    x = torch.from_numpy(zoo.drawn("images", int(numpy.prod(shape))).astype(numpy.float32).reshape(shape)).to(dtype)
    x.requires_grad_()
    with torch.autocast("cpu", low, enabled=low is not None):
        y = net(x)
    if name == "lenet":
        loss = nn.functional.cross_entropy(y.to(dtype), zoo.labels(shape[0]))
    else:
        target = torch.from_numpy(zoo.drawn("target", y.numel())).reshape(y.shape).to(dtype)
        loss = nn.functional.mse_loss(y.to(dtype), target)
    (loss * 1024).backward()
    gradients = {"x": x.grad / 1024} | {n: p.grad / 1024 for n, p in sorted(net.named_parameters())}
    return y.detach(), loss.item(), gradients


def measures(name, gradient):
    direction = torch.from_numpy(zoo.drawn(f"along {name}", gradient.numel()))
    flat = gradient.double().flatten()
    return [flat.norm().item(), (flat @ direction / direction.norm()).item()]


def furthest(found, expected):
    """The largest error of a gradient, as a share of the larger of its norm and a thousandth of the largest norm."""
    largest = max(norm for norm, _ in expected.values())
    return max(
        abs(a - b) / max(expected[n][0], 1e-3 * largest) for n in expected for a, b in zip(found[n], expected[n]))


def main():
    golden = {}
    for name, (shape, _) in BLOCKS.items():
        y, loss, gradients = run(name, torch.float64)
        expected = {n: measures(n, g) for n, g in gradients.items()}
        golden[name] = {
            "shape": shape, "output": [float(f"{v:.8g}") for v in y.flatten()[::7].tolist()],
            "loss": zoo.rounded([loss])[0],
            "gradients": {n: zoo.rounded(v) for n, v in expected.items()}}
        for low in (None, torch.float16, torch.bfloat16):
            y16, loss16, g16 = run(name, torch.float32, low)
            print(f"{name} {low}: output {((y16 - y).abs().max() / y.abs().max()).item():.1e}, loss "
                  f"{abs(loss16 / loss - 1):.1e}, gradients "
                  f"{furthest({n: measures(n, g) for n, g in g16.items()}, expected):.1e}")
    zoo.write(pathlib.Path(__file__).parent / "files" / "blocks.json", golden)


if __name__ == "__main__":
    main()
