"""Makes tests/golden/files/zoo.json: what PyTorch, torchvision and timm compute with the nets of the zoo, from weights
and images that follow from a formula (see `drawn`), which tests/models/golden_test.cc repeats. Per net: a digest of the
names and shapes of its ImageNet form; logits in evaluation; logits, loss and the norm of each parameter's gradient in
training, without dropout; and how far PyTorch's own f32 gradients are from these ("own"). And zoo_trajectories.json:
for some nets the losses of 30 steps of SGD with momentum. Everything is computed in f64. Needs torch, torchvision and
timm from PyPI.
    zoo.py [NET...]        (some of) zoo.json
    zoo.py trajectories    zoo_trajectories.json"""

import json
import pathlib
import sys

import numpy
import timm
import torch
import torchvision
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import lecture_nets as lecture

CLASSES = 10
MASK = (1 << 64) - 1


def digest(text):
    """FNV-1a, 64 bits."""
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def drawn(name, count):
    """Element i of the tensor of that name: SplitMix64 of digest(name) + (i + 1) * the golden ratio, as a multiple of
    2^-23 in [-1, 1)."""
    start = numpy.uint64(digest(name))
    out = numpy.empty(count, numpy.float64)
    for begin in range(0, count, 1 << 22):
        z = start + numpy.arange(begin + 1, min(begin + (1 << 22), count) + 1, dtype=numpy.uint64) * numpy.uint64(
            0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
        out[begin:begin + len(z)] = (z >> numpy.uint64(40)).astype(numpy.float64) * 2.0**-23 - 1
    return out


def value(name, shape):
    """The value of a tensor of a net: weights of layers have variance 2 / fan in, those of batch norm lie around 1."""
    v = drawn(name, int(numpy.prod(shape, dtype=int)))
    leaf = name.rsplit(".", 1)[-1]
    if len(shape) >= 2:
        v *= numpy.sqrt(6 / numpy.prod(shape[1:]))
    elif leaf == "weight":
        v = 1 + 0.25 * v
    elif leaf == "running_var":
        v = 1 + 0.5 * v
    else:
        v *= 0.1
    return torch.from_numpy(v.astype(numpy.float32).reshape(shape))


def fill(net, shift=0):
    """With `shift` added to the biases of batch norm."""
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(value(name, tuple(tensor.shape)))
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.bias += shift
            if isinstance(module, nn.Dropout):
                module.p = 0


def images(batch, channels, height, width, name="images"):
    shape = (batch, channels, height, width)
    return torch.from_numpy(drawn(name, int(numpy.prod(shape))).astype(numpy.float32).reshape(shape))


def labels(batch, step=0):
    return torch.tensor([(3 * i + step) % CLASSES for i in range(batch)])


HEADS = {"GoogLeNet": 0.3, "Inception3": 0.4}  # what the outputs of auxiliary heads weigh in the loss


def logits_and_loss(net, x, target):
    out = net(x)
    if not isinstance(out, tuple):
        return out, nn.functional.cross_entropy(out, target)
    weight = HEADS[type(net).__name__]
    loss = nn.functional.cross_entropy(out[0], target)
    return out[0], loss + weight * sum(nn.functional.cross_entropy(y, target) for y in out[1:])


def torchvision_net(name, classes=CLASSES, **options):
    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False} | options
    return getattr(torchvision.models, name)(weights=None, num_classes=classes, **options)


def timm_net(name, classes=CLASSES):
    return timm.create_model(name, num_classes=classes)


def googlenet_paper():
    net = torchvision_net("googlenet")
    for name, module in net.named_children():
        if name.startswith("inception"):
            conv = module.branch3[1].conv
            module.branch3[1].conv = nn.Conv2d(conv.in_channels, conv.out_channels, 5, padding=2, bias=False)
    return net


K11, K16, K19 = (1, 1, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)

# name: (channels, size, batch, net)
NETS = {
    "lenet": (1, 28, 2, lambda: lecture.lenet(1, 28, CLASSES)),
    "bn_lenet": (1, 28, 4, lambda: lecture.bn_lenet(1, 28, CLASSES)),
    "alexnet_d2l": (1, 80, 2, lambda: lecture.alexnet(1, 80, CLASSES)),
    "alexnet_paper": (3, 83, 2, lambda: lecture.alexnet(3, 83, CLASSES, paper=True)),
    "vgg11_d2l": (1, 32, 2, lambda: lecture.vgg(K11, 64, 1, 32, CLASSES)),
    "vgg11_d2l_quarter": (1, 32, 2, lambda: lecture.vgg(K11, 16, 1, 32, CLASSES)),
    "vgg16_d2l": (1, 32, 2, lambda: lecture.vgg(K16, 64, 1, 32, CLASSES)),
    "vgg19_d2l": (1, 32, 2, lambda: lecture.vgg(K19, 64, 1, 32, CLASSES)),
    "nin_d2l": (1, 80, 2, lambda: lecture.nin(0, 1, 80, CLASSES)),
    "nin": (3, 80, 2, lambda: lecture.nin(1024, 3, 80, CLASSES)),
    "googlenet_d2l": (1, 64, 2, lambda: lecture.googlenet(1, 64, CLASSES)),
    "resnet18_d2l": (1, 64, 2, lambda: lecture.resnet18(False, 1, 64, CLASSES)),
    "resnet18_small": (1, 28, 2, lambda: lecture.resnet18(True, 1, 28, CLASSES)),
    "densenet_d2l": (1, 64, 2, lambda: lecture.densenet(1, 64, CLASSES)),
    "inception_bn": (3, 96, 2, lambda: lecture.inception_bn(3, 96, CLASSES)),
    "googlenet_paper": (3, 96, 2, googlenet_paper),
    "inception_v3": (3, 299, 1, lambda: torchvision_net("inception_v3")),
    "googlenet": (3, 96, 2, lambda: torchvision_net("googlenet")),
    "inception_v4": (3, 139, 2, lambda: timm_net("inception_v4")),
    "inception_resnet_v2": (3, 139, 2, lambda: timm_net("inception_resnet_v2")),
}
SIZES = {"alexnet": 64, "vgg": 32, "resne": 64, "wide": 64, "densenet": 64}
TORCHVISION = """alexnet vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn resnet18 resnet34 resnet50
resnet101 resnet152 resnext50_32x4d wide_resnet50_2 densenet121 densenet161 densenet169 densenet201""".split()
for each in TORCHVISION:
    chosen = next(size for prefix, size in SIZES.items() if each.startswith(prefix))
    NETS[each] = (3, chosen, 2, lambda each=each: torchvision_net(each))

# What is added to the biases of batch norm. Around 0 some of the millions of arguments of ReLUs are within rounding of
# 0, and each that falls the other way moves the gradients of a deep net by a thousandth, in PyTorch's own f32 as well
# as elsewhere. Around 2 one in forty is still negative, and next to none is that near.
SHIFTS = {name: 2 for name in NETS if name.startswith(("densenet", "googlenet", "inception", "resn", "wide"))}
for each in ("densenet_d2l", "googlenet_d2l", "resnet18"):
    del SHIFTS[each]
SHIFTS |= {"vgg16_bn": 2, "vgg19_bn": 2}
# Other images where among these a ReLU or a maximum lies within rounding all the same.
IMAGES = {name: "images 1" for name in (
    "googlenet_paper", "inception_v4", "inception_resnet_v2", "resnet50", "vgg13", "vgg16", "vgg16_bn", "vgg19",
    "vgg19_bn")}
# The auxiliary head of inception_v3 wants maps of 299 pixels, whose pooling takes a million maxima. One image, wide
# enough for the head's batch norm to see two pixels, has fewer of them than two square ones, and this one has none
# within rounding: PyTorch's f32 gradients are within 6e-6 in both its formats, elsewhere up to 1e-3.
IMAGES["inception_v3"] = "images 272"
WIDTHS = {"inception_v3": 347}

# Thirty steps of SGD with momentum 0.9 on four batches in turn: net, image size, batch, learning rate, whether f32 is
# held to them. At usual rates the first ReLU that falls the other way takes f32 away from f64, in one framework or
# another; the last five are trainings that it follows.
TRAJECTORIES = [
    ("lenet", 28, 16, 0.1, True), ("bn_lenet", 28, 16, 0.05, True), ("nin_d2l", 67, 8, 0.05, True),
    ("alexnet_d2l", 67, 8, 0.01, False), ("vgg11_d2l_quarter", 32, 8, 0.01, False),
    ("googlenet_d2l", 32, 8, 0.01, False), ("inception_bn", 64, 8, 0.01, False),
    ("resnet18_small", 8, 8, 0.02, False), ("densenet_d2l", 32, 8, 0.05, False),
    ("alexnet_d2l", 80, 4, 0.00002, True), ("vgg11_d2l_quarter", 32, 8, 0.00002, True),
    ("googlenet_d2l", 64, 8, 0.00002, True), ("resnet18_small", 28, 8, 0.00005, True),
    ("densenet_d2l", 64, 8, 0.0001, True),
]


def state_digest(net):
    """Of the lines "name (sizes)" in alphabetical order."""
    state = net.state_dict()
    lines = [f"{name} ({', '.join(str(n) for n in tensor.shape)})" for name, tensor in sorted(state.items())]
    return {"tensors": len(lines), "digest": f"{digest(chr(10).join(lines)):016x}"}


def rounded(values):
    return [float(f"{v:.7g}") for v in values]


def gradients(net, x, target):
    """Logits, loss, and the norm of each parameter's gradient."""
    net.train()
    net.zero_grad()
    logits, loss = logits_and_loss(net, x, target)
    loss.backward()
    return logits, loss, {n: p.grad.double().norm().item() for n, p in sorted(net.named_parameters())}


def furthest(norms, expected):
    """The largest error of a norm, as a share of the larger of itself and a thousandth of the largest one."""
    largest = max(expected.values())
    return max(
        abs(norms[n] - e) / (0.1 * largest if e < 1e-9 * largest else max(e, 1e-3 * largest))
        for n, e in expected.items())


def measure(name):
    channels, size, batch, make = NETS[name]
    net = make()
    fill(net, SHIFTS.get(name, 0))
    drawn_images, width = IMAGES.get(name, "images"), WIDTHS.get(name, size)
    x, target = images(batch, channels, size, width, drawn_images), labels(batch)
    single = gradients(net, x, target)[2]
    fill(net, SHIFTS.get(name, 0))
    net.double().eval()
    with torch.no_grad():
        evaluated = net(x.double()).flatten()
    logits, loss, norms = gradients(net, x.double(), target)
    return {
        "channels": channels, "size": size, "width": width, "batch": batch, "images": drawn_images,
        "shift": SHIFTS.get(name, 0),
        "own": float(f"{furthest(single, norms):.1e}"), "eval_logits": rounded(evaluated.tolist()),
        "train_logits": rounded(logits.flatten().tolist()), "loss": rounded([loss.item()])[0],
        "gradients": {n: rounded([v])[0] for n, v in norms.items()},
    }


def losses_of_steps(name, size, batch, lr, dtype):
    channels, _, _, make = NETS[name]
    net = make()
    fill(net)
    net.to(dtype).train()
    sgd = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    losses = []
    for step in range(30):
        x = images(batch, channels, size, size, f"images {step % 4}").to(dtype)
        loss = logits_and_loss(net, x, labels(batch, step % 4))[1]
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses


def write(file, golden):
    lines = [f"{json.dumps(key)}: {json.dumps(golden[key])}" for key in sorted(golden)]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def make_trajectories(file):
    golden = {}
    for name, size, batch, lr, single in TRAJECTORIES:
        losses = losses_of_steps(name, size, batch, lr, torch.float64)
        off = [abs(a / b - 1) for a, b in zip(losses_of_steps(name, size, batch, lr, torch.float32), losses)]
        golden[f"{name} at {lr:g}"] = {
            "model": name, "channels": NETS[name][0], "size": size, "batch": batch, "lr": lr,
            "single": single, "losses": rounded(losses)}
        print(f"{name} at {lr:g}: {losses[0]:.4f} to {losses[-1]:.4f}, PyTorch's f32 differs by {max(off):.1e}",
              flush=True)
        write(file, golden)


def make_nets(file, names):
    golden = json.loads(file.read_text()) if file.exists() else {}
    for name in names or NETS:
        golden[name] = measure(name)
        if name in TORCHVISION + ["googlenet", "inception_v3"]:
            golden[name]["state"] = state_digest(torchvision_net(name, 1000))
        if name in ("inception_v4", "inception_resnet_v2"):
            golden[name]["state"] = state_digest(timm_net(name, 1000))
        print(f"{name}: loss {golden[name]['loss']}, PyTorch's f32 gradients differ by {golden[name]['own']:.0e}",
              flush=True)
        write(file, golden)


if __name__ == "__main__":
    files = pathlib.Path(__file__).parent / "files"
    if sys.argv[1:] == ["trajectories"]:
        make_trajectories(files / "zoo_trajectories.json")
    else:
        make_nets(files / "zoo.json", sys.argv[1:])
