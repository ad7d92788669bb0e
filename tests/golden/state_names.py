"""Writes files/state_names.txt: for each of torchvision's nets that weft has, the number of tensors in its state_dict()
and the FNV-1a hash of their names and sizes, sorted. What weft saves for a net of that list, torchvision loads with
strict=True. Needs torch and torchvision; no weights are drawn."""

import pathlib

import torch
import torchvision

NETS = """alexnet vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn googlenet inception_v3 resnet18 resnet34
resnet50 resnet101 resnet152 resnext50_32x4d wide_resnet50_2 densenet121 densenet161 densenet169 densenet201""".split()


def fnv1a(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 % (1 << 64)
    return value


lines = []
for name in NETS:
    options = {"aux_logits": True, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        state = getattr(torchvision.models, name)(weights=None, **options).state_dict()
    entries = sorted(f"{key}:{'x'.join(map(str, tensor.shape))}\n" for key, tensor in state.items())
    lines.append(f"{name} {len(entries)} {fnv1a(''.join(entries).encode()):016x}\n")
(pathlib.Path(__file__).parent / "files/state_names.txt").write_text("".join(lines))
