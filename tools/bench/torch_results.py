"""Trains the lecture notes' small ResNet-18 in PyTorch, as `weft train --model resnet18_small` does: the figures that
docs/results.md holds beside weft's.

Usage: torch_results.py FASHION_MNIST_FOLDER [--samples 10000] [--epochs 4] [--batch-size 256] [--lr 0.1]
                        [--sched constant] [--seed 1]

Prints a line per epoch: mean training loss and accuracy while training, accuracy on the 10,000 test images.
"""
import argparse
import gzip
import math
import pathlib

import torch
from torch import nn

import torch_zoo


def images(folder, split):
    with gzip.open(folder / f"{split}-images-idx3-ubyte.gz") as file:
        pixels = torch.frombuffer(bytearray(file.read()[16:]), dtype=torch.uint8)
    with gzip.open(folder / f"{split}-labels-idx1-ubyte.gz") as file:
        labels = torch.frombuffer(bytearray(file.read()[8:]), dtype=torch.uint8)
    return (pixels.reshape(-1, 1, 28, 28) / 255.0).contiguous(memory_format=torch.channels_last), labels.long()


def started(net):
    """The chapter's initial values: N(0, 0.01^2) for every weight; biases as the layers draw them."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(layer.weight, std=0.01)
    return net.to(memory_format=torch.channels_last)


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        right = sum((net(xs).argmax(1) == ys).sum().item() for xs, ys in zip(x.split(256), y.split(256)))
    net.train()
    return right / len(y)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--sched", choices=("constant", "cosine"), default="constant")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    (x, y), test = images(options.folder, "train"), images(options.folder, "t10k")
    x, y = x[:options.samples], y[:options.samples]
    net = started(torch_zoo.resnet18(1, 10, small=True))
    optimizer = torch.optim.SGD(net.parameters(), lr=options.lr)
    steps, step = options.epochs * -(-len(y) // options.batch_size), 0
    for epoch in range(options.epochs):
        total = right = 0.0
        for chosen in torch.randperm(len(y)).split(options.batch_size):
            if options.sched == "cosine":
                optimizer.param_groups[0]["lr"] = options.lr * (1 + math.cos(math.pi * step / steps)) / 2
            step += 1
            optimizer.zero_grad()
            logits = net(x[chosen])
            loss = nn.functional.cross_entropy(logits, y[chosen])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
            right += (logits.argmax(1) == y[chosen]).sum().item()
        print(f"epoch {epoch} train loss {total / len(y):.4f} accuracy {right / len(y):.4f} "
              f"test {accuracy(net, *test):.4f}", flush=True)


main()
