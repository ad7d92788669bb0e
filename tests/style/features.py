#!/usr/bin/env python3
"""Writes docs/features.md from the row ids that tests carry as tags; with --check, only says whether it is current.

A row is a method, layer, model or experiment of the lecture notes "Dive into Deep Learning". What a test proves is
found by its tag ([C7]); what a training run proves is listed here with the heading of docs/results.md that shows it.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS = {
    "M1": "scalar, vector and matrix derivatives", "M2": "sub-gradients of abs and relu", "M3": "inner products",
    "M4": "chain rule on vectors", "M5": "reverse accumulation", "M7": "backward of a non-scalar, detach, control flow",
    "M8": "memory kept for backward", "L0": "linear regression", "L0b": "logistic regression", "L1": "softmax",
    "L2": "cross-entropy", "L3": "softmax regression", "L4": "squared loss", "L5": "L1 loss", "L6": "Huber loss",
    "L7": "reductions of a loss", "L8": "label smoothing", "L9": "least loss is greatest likelihood",
    "L10": "one-hot, argmax, accuracy", "L11": "Fashion-MNIST", "W1": "weight decay", "W2": "projected SGD",
    "W3": "under- and over-fitting a polynomial",
    "D1": "dropout", "D2": "dropout trains only", "D3": "MLP with dropout", "N1": "exploding products",
    "N2": "gradients through 50 layers", "N3": "vanishing sigmoids", "N4": "NaN and Inf stop a run",
    "N6": "activations", "N7": "clipping by value", "N10": "symmetry of constant init", "N11": "normal init",
    "N12": "Xavier init", "N13": "Kaiming init", "P1": "perceptron", "P2": "XOR by an MLP", "P3": "MLP",
    "P4": "deep MLP", "P5": "linear nets collapse", "C1": "cross-correlation", "C2": "edge detection",
    "C3": "padding and stride", "C4": "channels", "C5": "1 x 1 convolution", "C6": "convolution as a matrix",
    "C7": "max pooling", "C8": "average pooling", "C9": "global average pooling", "C10": "strided convolution",
    "CN1": "LeNet", "CN2": "AlexNet", "CN3": "what AlexNet changed", "CN4": "AlexNet's size beside LeNet's",
    "CN5": "VGG-11", "CN6": "VGG-11 with a quarter of the channels", "CN7": "VGG-16 and VGG-19",
    "CN8": "two 3 x 3 filters for one 5 x 5", "CN9": "NiN", "I1": "the inception block", "I2": "GoogLeNet",
    "I3": "Inception-BN", "I4": "Inception v3", "I5": "Inception v4", "I6": "Inception-ResNet",
    "R-L1": "the residual block", "R-L2": "ResNet-18", "R-L3": "ResNet-18 for small images",
    "DN1": "the dense block", "DN2": "the transition block", "DN3": "DenseNet",
    "B1": "batch normalisation", "B2": "batch normalisation as a layer", "B3": "LeNet with batch normalisation",
    "B4": "no bias before batch normalisation", "B5": "batch normalisation and convergence",
    "H1": "tensors and nets on a device", "H2": "reading a loss back",
    "O2": "gradient descent", "O3": "stochastic gradients", "O4": "minibatch SGD", "O5": "momentum",
    "O6": "Adam", "O7": "schedules", "O8": "parameter groups", "R4": "perplexity", "R5": "clipping by global norm",
}
TRAINED = {"L0": "Linear regression", "L3": "Softmax regression", "W1": "Weight decay", "P3": "MLP",
           "D3": "MLP with dropout", "CN1": "LeNet", "B3": "LeNet with batch norm"}
# Rows whose accuracy after ten epochs has not been seen; tools/gpu/check --only rows measures it.
UNSEEN = ("CN2", "CN6", "CN9", "I2", "R-L2", "DN3")
CASE = re.compile(r'TEST_CASE\(\s*"((?:[^"\\]|\\.)*)",\s*"([^"]*)"')


def proofs():
    found = {row: [] for row in ROWS}
    for path in sorted(ROOT.glob("tests/*/*_test.cc")):
        for name, tags in CASE.findall(path.read_text(encoding="utf-8")):
            for tag in re.findall(r"\[([A-Z]+(?:-[A-Z])?\d+[a-z]?)\]", tags):
                if tag not in found:
                    sys.exit(f"{path.relative_to(ROOT)}: unknown row [{tag}]; name it in {__file__}")
                found[tag].append(f"{name} (`{path.relative_to(ROOT / 'tests')}`)")
    for row, heading in TRAINED.items():
        found[row].append(f"trained: [results.md](results.md), \"{heading}\"")
    for row in UNSEEN:
        found[row].append("open: its accuracy after ten epochs on Fashion-MNIST ([gpu-status.md](gpu-status.md))")
    return found


def table():
    lines = ["# Features", "",
             'Rows of the lecture notes "Dive into Deep Learning" that weft has reached, and the proof of each. A test',
             "runs with `tools/test -R NAME`. This page is written by `tests/style/features.py`.",
             "", "| row | what | proven by |", "|---|---|---|"]
    for row, tests in proofs().items():
        if tests:
            lines.append(f"| {row} | {ROWS[row]} | {'<br>'.join(tests)} |")
    return "\n".join(lines) + "\n"


def main():
    page = ROOT / "docs/features.md"
    if "--check" not in sys.argv:
        page.write_text(table(), encoding="utf-8")
    elif not page.exists() or page.read_text(encoding="utf-8") != table():
        sys.exit("docs/features.md is out of date; run tests/style/features.py")


main()
