"""Prints PyTorch's results for the ops where frameworks differ in their conventions: convolution options, pooling at
borders and ties, losses with smoothing, soft targets and reductions.

python3 tests/golden/nets.py (needs torch); its lines are the tables of tests/ops/golden_test.cc. Inputs are waves,
sin(0.7 i + phase) over the row-major index i; a result is told by its checksum, the sum of values * cos(0.3 i), and so
is each gradient, for dy = sin(0.7 i + 9).
"""
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def wave(shape, phase):
    n = torch.Size(shape).numel()
    return torch.sin(0.7 * torch.arange(n) + phase).reshape(shape).requires_grad_()


def checksum(x):
    flat = x.detach().reshape(-1)
    return float((flat * torch.cos(0.3 * torch.arange(flat.numel()))).sum())


def show(name, op, *inputs):
    y = op(*inputs)
    y.backward(wave(y.shape, 9).detach())
    print(name, ", ".join(f"{v:.12g}" for v in [checksum(y)] + [checksum(x.grad) for x in inputs]))


def conv(name, x, w, **options):
    show(name, lambda a, b, c: F.conv2d(a, b, c, **options), wave(x, 0), wave(w, 1), wave(w[:1], 2))


conv("conv", (2, 3, 7, 6), (4, 3, 3, 3), stride=(2, 1), padding=(1, 2))
conv("grouped", (2, 4, 8, 9), (6, 2, 3, 2), groups=2, padding=1)
conv("dilated", (1, 2, 9, 11), (3, 2, 3, 3), dilation=(2, 3), padding=(1, 3), stride=2)
conv("depthwise", (2, 5, 6, 6), (10, 1, 3, 3), groups=5)

show("max", lambda x: F.max_pool2d(x, 3, 2, 1), wave((2, 3, 7, 8), 0))
equal = wave((1, 2, 6, 6), 0).detach().mul(2).round().requires_grad_()
show("max equal", lambda x: F.max_pool2d(x, 3, 1), equal)
show("avg", lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 1)), wave((2, 3, 7, 8), 0))
show("avg inside", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), wave((2, 3, 7, 8), 0))

labels = torch.tensor([3, 0, 4, 1])
pixels = torch.arange(2 * 3 * 2).reshape(2, 3, 2) * 7 % 5
soft = torch.softmax(wave((4, 5), 4).detach() * 3, 1)
for reduction in ("none", "mean", "sum"):
    show(f"classes {reduction}", lambda x: F.cross_entropy(x, labels, reduction=reduction, label_smoothing=0.1),
         wave((4, 5), 0))
    show(f"soft {reduction}", lambda x: F.cross_entropy(x, soft, reduction=reduction, label_smoothing=0.2),
         wave((4, 5), 0))
    show(f"pixels {reduction}", lambda x: F.cross_entropy(x, pixels, reduction=reduction), wave((2, 5, 3, 2), 0))
    show(f"mse {reduction}", lambda x, t: F.mse_loss(x, t, reduction=reduction), wave((3, 4), 0), wave((3, 4), 1))
    show(f"l1 {reduction}", lambda x, t: F.l1_loss(x, t, reduction=reduction), wave((3, 4), 0), wave((3, 4), 1))
    show(f"huber {reduction}", lambda x, t: F.huber_loss(x, t, reduction=reduction, delta=0.5),
         wave((3, 4), 0), wave((3, 4), 1))
    show(f"binary {reduction}", lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction=reduction),
         wave((3, 4), 0), wave((3, 4), 1))
show("log_softmax", lambda x: F.log_softmax(x, 1), wave((2, 5, 3), 0))


def batch_norm(name, shape, relu=False, **options):
    """y and the gradients of x, weight and bias; then the running statistics."""
    c = shape[1]
    mean, variance = wave((c,), 4).detach(), wave((c,), 5).detach() + 2
    after = torch.relu if relu else torch.clone
    show(name, lambda x, w, b: after(F.batch_norm(x, mean, variance, w, b, **options)),
         wave(shape, 0), wave((c,), 2), wave((c,), 3))
    print(name, "running", ", ".join(f"{checksum(v):.12g}" for v in (mean, variance)))


for name, shape in (("features", (6, 5)), ("images", (2, 3, 4, 5))):
    batch_norm(f"batch_norm {name}", shape, training=True, momentum=0.3, eps=1e-3)
    batch_norm(f"batch_norm relu {name}", shape, relu=True, training=True)
    batch_norm(f"batch_norm eval {name}", shape, training=False)

show("layer_norm", lambda x, w, b: F.layer_norm(x, (4, 5), w, b, 1e-3), wave((2, 3, 4, 5), 0), wave((4, 5), 2),
     wave((4, 5), 3))
show("group_norm", lambda x, w, b: F.group_norm(x, 3, w, b, 1e-3), wave((2, 6, 4, 5), 0), wave((6,), 2), wave((6,), 3))
