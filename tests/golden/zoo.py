"""Makes tests/golden/files/zoo.json: what PyTorch, torchvision and timm compute with the nets of the zoo, from weights
and images that follow from a formula (see `drawn`), which tests/models/golden_test.cc repeats. Per net: a digest of the
names and shapes of its ImageNet form; logits in evaluation; logits, loss and the norm of each parameter's gradient in
training, without dropout. And zoo_trajectories.json: for some nets the losses of 30 steps of SGD with momentum.
Everything is computed in f64. Needs torch, torchvision and timm from PyPI.
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


def fill(net):
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(value(name, tuple(tensor.shape)))
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0


def images(batch, channels, size, name="images"):
    return torch.from_numpy(
        drawn(name, batch * channels * size * size).astype(numpy.float32).reshape(batch, channels, size, size))


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


def torchvision_net(name, classes=CLASSES):
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
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
    "inception_v3": (3, 299, 2, lambda: torchvision_net("inception_v3")),
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

# Steps of SGD with momentum 0.9 on four batches in turn: (batch, learning rate). Learning rates at which PyTorch's own
# f32 stays with its f64: at larger ones the losses of such nets on such images are chaos after twenty steps.
TRAJECTORIES = {
    "lenet": (16, 0.1), "bn_lenet": (16, 0.05), "alexnet_d2l": (4, 0.00002), "vgg11_d2l_quarter": (8, 0.00002),
    "nin_d2l": (4, 0.00002), "googlenet_d2l": (8, 0.00002), "resnet18_small": (8, 0.00005), "densenet_d2l": (8, 0.0001),
}


def state_digest(net):
    """Of the lines "name (sizes)" in alphabetical order."""
    state = net.state_dict()
    lines = [f"{name} ({', '.join(str(n) for n in tensor.shape)})" for name, tensor in sorted(state.items())]
    return {"tensors": len(lines), "digest": f"{digest(chr(10).join(lines)):016x}"}


def rounded(values):
    return [float(f"{v:.7g}") for v in values]


def measure(name):
    channels, size, batch, make = NETS[name]
    net = make()
    fill(net)
    net.double().eval()
    x, target = images(batch, channels, size).double(), labels(batch)
    with torch.no_grad():
        evaluated = net(x).flatten()
    net.train()
    logits, loss = logits_and_loss(net, x, target)
    loss.backward()
    return {
        "channels": channels, "size": size, "batch": batch, "eval_logits": rounded(evaluated.tolist()),
        "train_logits": rounded(logits.flatten().tolist()), "loss": rounded([loss.item()])[0],
        "gradients": {n: rounded([p.grad.norm().item()])[0] for n, p in sorted(net.named_parameters())},
    }


def losses_of_steps(name, dtype):
    channels, size, _, make = NETS[name]
    batch, lr = TRAJECTORIES[name]
    net = make()
    fill(net)
    net.to(dtype).train()
    sgd = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    losses = []
    for step in range(30):
        x = images(batch, channels, size, f"images {step % 4}").to(dtype)
        loss = nn.functional.cross_entropy(net(x), labels(batch, step % 4))
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
    for name, (batch, lr) in TRAJECTORIES.items():
        channels, size, _, _ = NETS[name]
        losses = losses_of_steps(name, torch.float64)
        own = max(abs(a / b - 1) for a, b in zip(losses_of_steps(name, torch.float32), losses))
        golden[name] = {"channels": channels, "size": size, "batch": batch, "lr": lr, "losses": rounded(losses)}
        print(f"{name}: {losses[0]:.4f} to {losses[-1]:.4f}, PyTorch's f32 differs by {own:.1e}", flush=True)
    write(file, golden)


def make_nets(file, names):
    golden = json.loads(file.read_text()) if file.exists() else {}
    for name in names or NETS:
        golden[name] = measure(name)
        if name in TORCHVISION + ["googlenet", "inception_v3"]:
            golden[name]["state"] = state_digest(torchvision_net(name, 1000))
        if name in ("inception_v4", "inception_resnet_v2"):
            golden[name]["state"] = state_digest(timm_net(name, 1000))
        print(name, golden[name]["loss"], flush=True)
        write(file, golden)


if __name__ == "__main__":
    files = pathlib.Path(__file__).parent / "files"
    if sys.argv[1:] == ["trajectories"]:
        make_trajectories(files / "zoo_trajectories.json")
    else:
        make_nets(files / "zoo.json", sys.argv[1:])
