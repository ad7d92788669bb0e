"""Makes tests/golden/files/ops.json: what PyTorch computes with pooling, padding, activations, normalisations and all
that ends in a ReLU, in f64, forward and backward, NaN and infinities included; tests/golden/ops.h repeats it. Inputs
are whole multiples of a step that every floating dtype holds, drawn by a formula (zoo.py), so that one file serves all
dtypes. Of each result the file has some elements, where it is NaN, and its norm and component along a drawn direction.
Needs torch, torchvision and timm from PyPI."""

import json
import math
import pathlib
import sys

import numpy
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import zoo

NAN, INF = math.nan, math.inf
FULL = 12  # elements up to which a result is kept whole; of others about as many are kept


def number(value):
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def tensor(label, spec):
    """Element i is low + step * floor(count * u), u in [0, 1) drawn for the label; then the elements of `at`."""
    n = int(numpy.prod(spec["shape"], dtype=int))
    values = spec["low"] + spec["step"] * numpy.floor(spec["count"] * (zoo.drawn(label, n) + 1) / 2)
    for place, value in spec.get("at", []):
        values[place] = value
    return torch.from_numpy(values.reshape(spec["shape"]))


def given(shape, low=-4.0, step=1 / 16, count=128, at=(), name="x"):
    spec = {"name": name, "shape": list(shape), "low": low, "step": step, "count": count}
    return spec | ({"at": list(at)} if at else {})


def gradient_like(shape):
    return given(shape, low=-2.0, step=1 / 32, count=128)


def measures(label, x):
    flat = x.detach().flatten()
    step = 1 if flat.numel() <= FULL else flat.numel() // FULL | 1
    out = {"step": step, "values": [number(v) for v in flat[::step].tolist()]}
    nan = flat.isnan()
    if nan.any():
        bits = "".join("1" if v else "0" for v in nan.tolist())
        out["nan"] = f"{int(bits[::-1], 2):x}"  # bit i: element i is NaN
    finite = torch.where(flat.isfinite(), flat, torch.zeros_like(flat))
    direction = torch.from_numpy(zoo.drawn(label, flat.numel()))
    return out | {"norm": finite.norm().item(), "along": (finite @ direction).item()}


# --- the ops, by the names that weft has for them ---------------------------------------------------------------------


def batch_norm(x, weight, bias, mean, variance, o):
    if o.get("moving") != "biased":
        return F.batch_norm(x, mean, variance, weight, bias, o["training"], o.get("momentum", 0.1), o["eps"])
    axes, keep, take = [i for i in range(x.dim()) if i != 1], 1 - o["momentum"], o["momentum"]
    mean.copy_(keep * mean + take * x.detach().mean(axes))
    variance.copy_(keep * variance + take * x.detach().var(axes, unbiased=False))
    return F.batch_norm(x, None, None, weight, bias, True, 0, o["eps"])


def borders(o):
    return [side for border in reversed(o["borders"]) for side in border]


OPS = {
    "max_pool2d": lambda i, o: F.max_pool2d(i["x"], o["kernel"], o["stride"], o["padding"], ceil_mode=o["ceil_mode"]),
    "avg_pool2d": lambda i, o: F.avg_pool2d(i["x"], o["kernel"], o["stride"], o["padding"], o["ceil_mode"],
                                            o["count_include_pad"]),
    "adaptive_avg_pool2d": lambda i, o: F.adaptive_avg_pool2d(i["x"], o["out"]),
    "global_avg_pool2d": lambda i, o: F.adaptive_avg_pool2d(i["x"], 1),
    "pad": lambda i, o: F.pad(i["x"], borders(o), value=o["value"]),
    "gelu": lambda i, o: F.gelu(i["x"]),
    "gelu_tanh": lambda i, o: F.gelu(i["x"], approximate="tanh"),
    "silu": lambda i, o: F.silu(i["x"]),
    "softplus": lambda i, o: F.softplus(i["x"], o["beta"], o["threshold"]),
    "hardswish": lambda i, o: F.hardswish(i["x"]),
    "local_response_norm": lambda i, o: F.local_response_norm(i["x"], **o),
    "layer_norm": lambda i, o: F.layer_norm(i["x"], i["x"].shape[i["x"].dim() - o["axes"]:], i.get("weight"),
                                            i.get("bias"), o["eps"]),
    "group_norm": lambda i, o: F.group_norm(i["x"], o["groups"], i.get("weight"), i.get("bias"), o["eps"]),
    "batch_norm": lambda i, o: batch_norm(i["x"], i.get("weight"), i.get("bias"), i.get("running_mean"),
                                          i.get("running_var"), o),
    "batch_norm_relu": lambda i, o: torch.relu(OPS["batch_norm"](i, o)),
    "batch_norm_add_relu": lambda i, o: torch.relu(OPS["batch_norm"](i, o) + i["addend"]),
    "relu": lambda i, o: torch.relu(i["x"]),
    "add_relu": lambda i, o: torch.relu(i["x"] + i["addend"]),
    "linear_relu": lambda i, o: torch.relu(F.linear(i["x"], i["weight"], i.get("bias"))),
    "conv2d_bias_relu": lambda i, o: torch.relu(F.conv2d(i["x"], i["weight"], i.get("bias"), o["stride"],
                                                         o["padding"], 1, o["groups"])),
}

CASES = []


def case(op, *inputs, condition=1.0, **options):
    """condition: how many times larger than usual rounding errors are, as the inputs dictate."""
    CASES.append({"op": op, "options": options, "condition": condition, "inputs": list(inputs)})


def max_pool(shape, kernel, stride, padding=0, ceil_mode=False, **draw):
    pair = lambda v: [v, v] if isinstance(v, int) else list(v)
    case("max_pool2d", given(shape, **draw), kernel=pair(kernel), stride=pair(stride), padding=pair(padding),
         ceil_mode=ceil_mode)


def avg_pool(shape, kernel, stride, padding=0, ceil_mode=False, include=True):
    pair = lambda v: [v, v] if isinstance(v, int) else list(v)
    case("avg_pool2d", given(shape), kernel=pair(kernel), stride=pair(stride), padding=pair(padding),
         ceil_mode=ceil_mode, count_include_pad=include)


def pools():
    max_pool((1, 1, 1, 1), 1, 1)
    max_pool((2, 3, 7, 8), 3, 2, 1)
    max_pool((2, 5, 11, 7), 3, 1, 1)
    max_pool((1, 17, 13, 5), (2, 3), (1, 2), (1, 0))
    max_pool((3, 1, 1, 13), (1, 4), (1, 3), (0, 2))
    max_pool((2, 3, 7, 8), 3, 2, 0, True)
    max_pool((1, 2, 2, 5), 3, 2, 0, True)  # one window is larger than the image
    max_pool((1, 19, 6, 5), (3, 2), (2, 3), 1, True)
    max_pool((2, 7, 5, 9), 2, 3, 1, True)
    max_pool((1, 2, 17, 19), (15, 17), (3, 2), (7, 8))  # 255 places: the last that fit a byte
    max_pool((1, 3, 20, 18), 16, 4, 8)  # 256 places
    max_pool((2, 5, 19, 18), (17, 16), (1, 5), 0, True)
    max_pool((2, 19, 9, 7), 3, 2, 1, low=0.0, step=1.0, count=3)  # many equal elements
    max_pool((2, 5, 9, 7), 3, 1, 1, low=0.0, step=1.0, count=2)
    max_pool((2, 3, 6, 5), 3, 1, 1, at=[(i, -INF) for i in range(25)])  # windows of nothing else
    max_pool((1, 17, 4, 5), 2, 2, 0, True, at=[(i, -INF) for i in range(200)] + [(330, NAN), (331, NAN)])
    max_pool((2, 3, 6, 5), 3, 1, 1, at=[(7, NAN), (8, NAN), (14, NAN), (16, INF), (95, INF), (96, NAN), (100, -INF)])
    max_pool((1, 1, 5, 5), 5, 5, 2, at=[(i, NAN) for i in range(25)])
    for shape, kernel, stride, padding in (((2, 3, 7, 8), 3, 2, 1), ((2, 5, 8, 6), 3, 2, 1),
                                           ((1, 19, 6, 5), (3, 2), (2, 3), 1), ((2, 4, 3, 8), 2, 3, 0),
                                           ((1, 1, 13, 2), (5, 1), (4, 1), (2, 0)), ((2, 17, 11, 7), 3, 1, 1)):
        for ceil_mode in (False, True):
            for include in (False, True):
                avg_pool(shape, kernel, stride, padding, ceil_mode, include)
    avg_pool((1, 3, 2, 5), 3, 2, 0, True, False)
    for shape, out in (((2, 5, 13, 11), (6, 6)), ((2, 17, 7, 9), (7, 3)), ((1, 3, 2, 5), (5, 7)),
                       ((3, 7, 1, 1), (2, 3)), ((3, 8, 6, 4), (1, 3)), ((1, 16, 12, 6), (6, 2))):
        case("adaptive_avg_pool2d", given(shape), out=list(out))
    for shape in ((2, 5, 7, 3), (1, 1, 1, 1), (3, 17, 1, 13)):
        case("global_avg_pool2d", given(shape))
    case("pad", given((2, 3, 5, 7)), borders=[[1, 2], [0, 3]], value=0.0)
    case("pad", given((1, 17, 1, 3)), borders=[[2, 0], [1, 1]], value=-1.5)
    case("pad", given((3, 5)), borders=[[4, 1]], value=0.5)
    case("pad", given((2, 1, 3, 2)), borders=[[1, 0], [0, 0], [2, 3]], value=-INF)


def activations():
    """Values in [-8, 8), and places where a formula changes or ends."""
    special = [NAN, INF, -INF, 0.0, -0.0, 3.0, -3.0, 20.0, -20.0, 88.0, -88.0, 104.0, -104.0, 1000.0, -1000.0]
    draw = {"low": -8.0, "step": 1 / 8, "count": 128}
    for op in ("gelu", "gelu_tanh", "silu", "hardswish", "relu"):
        case(op, given((3, 5, 7), **draw))
        places = special[1:] if op == "hardswish" else special  # PyTorch's slope at NaN depends on where in x it is
        case(op, given((len(places),), at=list(enumerate(places)), **draw))
    for beta, threshold in ((1.0, 20.0), (2.0, 4.0), (0.5, 1.0)):
        case("softplus", given((3, 5, 7), **draw), beta=beta, threshold=threshold)
    case("softplus", given((len(special) + 2,), at=list(enumerate(special + [2.0, -2.0])), **draw), beta=2.0,
         threshold=4.0)


def channels(c, *names):
    """Weight, bias and running statistics of c channels. No bias is 0, or a ReLU might decide on rounding."""
    specs = {"weight": given((c,), -2.0, 1 / 16, 64, name="weight"),
             "bias": given((c,), -63 / 32, 1 / 16, 63, name="bias"),
             "running_mean": given((c,), -1.0, 1 / 16, 32, name="running_mean"),
             "running_var": given((c,), 0.5, 1 / 16, 32, name="running_var")}
    return [specs[name] for name in names]


NORM = 4.0  # a normalisation's gradient is a difference of terms a few times its size


def offset(mean, spread):
    """Values next to a mean that is large beside their deviation, and the condition."""
    return {"low": mean, "step": spread, "count": 4}, NORM * mean / spread


def normalisations():
    for shape, options in (((2, 7, 5, 3), {"size": 5, "alpha": 0.5, "beta": 0.75, "k": 1.0}),
                           ((1, 17, 3, 1), {"size": 4, "alpha": 0.25, "beta": 0.5, "k": 2.0}),
                           ((3, 1, 2, 5), {"size": 3, "alpha": 1e-4, "beta": 0.75, "k": 1.0}),
                           ((1, 3, 4, 5), {"size": 9, "alpha": 2.0, "beta": 1.25, "k": 0.5}),
                           ((2, 5, 1, 3), {"size": 1, "alpha": 1.0, "beta": 1.0, "k": 1.0})):
        case("local_response_norm", given(shape), **options)
    far, condition = offset(128.0, 1.0)
    for shape, axes, eps in (((3, 7), 1, 1e-5), ((2, 3, 5, 7), 2, 1e-3), ((2, 1, 13), 3, 1e-5), ((5, 1), 1, 1e-5),
                             ((1, 2, 31), 1, 1e-2)):
        row = shape[len(shape) - axes:]
        affine = [given(row, -2.0, 1 / 16, 64, name="weight"), given(row, -2.0, 1 / 16, 64, name="bias")]
        case("layer_norm", given(shape), *affine, condition=NORM, axes=axes, eps=eps)
        case("layer_norm", given(shape, **far), condition=condition, axes=axes, eps=eps)
    for shape, groups in (((2, 6, 4, 5), 3), ((1, 17, 3, 1), 1), ((3, 5, 2, 7), 5), ((2, 4, 1, 1), 2), ((2, 9, 3), 3)):
        case("group_norm", given(shape), *channels(shape[1], "weight", "bias"), condition=NORM, groups=groups,
             eps=1e-3)
        case("group_norm", given(shape, **far), condition=condition, groups=groups, eps=1e-3)
    everything = ("weight", "bias", "running_mean", "running_var")
    for shape in ((2, 1), (3, 7), (13, 17), (2, 3, 5, 7), (1, 17, 1, 2), (5, 1, 3, 1), (2, 37, 3, 3)):
        for moving in ("unbiased", "biased"):
            case("batch_norm", given(shape), *channels(shape[1], *everything), condition=NORM, training=True,
                 momentum=0.3, eps=1e-3, moving=moving)
        case("batch_norm", given(shape), *channels(shape[1], *everything), condition=NORM, training=False, eps=1e-5)
        case("batch_norm", given(shape, **far), *channels(shape[1], "running_mean", "running_var"), training=True,
             momentum=0.1, eps=1e-5, condition=condition)


def relus():
    """A NaN and infinities in front of every ReLU."""
    case("relu", given((2, 17, 3, 5), at=[(0, NAN), (1, INF), (2, -INF), (77, NAN), (509, NAN)]))
    case("add_relu", given((2, 17, 3, 5), at=[(0, NAN), (1, INF), (2, -INF), (9, INF), (77, NAN)]),
         given((2, 17, 3, 5), at=[(5, NAN), (9, -INF), (509, NAN)], name="addend"))
    for rows, columns, outputs in ((1, 5, 3), (3, 37, 50), (13, 17, 1), (40, 16, 64)):
        case("linear_relu", given((rows, columns), at=[(columns - 1, NAN)]),
             given((outputs, columns), name="weight"), given((outputs,), name="bias"))
    case("linear_relu", given((5, 7)), given((16, 7), at=[(9, NAN)], name="weight"))
    case("linear_relu", given((5, 7)), given((16, 7), name="weight"), given((16,), at=[(3, NAN)], name="bias"))
    # Images of one tile and of several, few and many channels, strides and groups. A bad weight is at a middle tap, as
    # that meets no border, forward or backward: whether 0 times NaN counts there is nobody's rule.
    for shape, filters, stride, padding, groups in (
            ((1, 17, 7, 6), (19, 17, 3, 3), 1, 1, 1), ((1, 16, 9, 5), (16, 16, 5, 5), 1, 2, 1),
            ((2, 16, 5, 5), (32, 16, 1, 1), 1, 0, 1), ((2, 3, 9, 7), (8, 3, 3, 3), 2, 1, 1),
            ((1, 1, 6, 7), (5, 1, 3, 2), 1, 0, 1), ((2, 8, 5, 5), (8, 2, 3, 3), 1, 1, 4),
            ((1, 6, 5, 5), (6, 1, 3, 3), 1, 1, 6)):
        for bad in ("x", "weight", "bias") if filters[2] == filters[3] else ("x", "bias"):
            middle = filters[2] // 2 * filters[3] + filters[3] // 2
            place = {"x": 2 * shape[3] + 1, "weight": filters[1] * filters[2] * filters[3] + middle, "bias": 2}
            specs = [given(s, at=[(place[n], NAN)] if n == bad else (), name=n)
                     for n, s in (("x", shape), ("weight", filters), ("bias", filters[:1]))]
            case("conv2d_bias_relu", *specs, condition=16.0, stride=[stride, stride], padding=[padding, padding],
                 groups=groups)
    for shape in ((5, 7), (2, 17, 3, 5), (3, 37, 1, 2), (2, 3, 9, 8)):
        for training in (True, False):
            x = given(shape, at=[(3, NAN)])
            rest = channels(shape[1], "weight", "bias", "running_mean", "running_var")
            options = {"condition": NORM, "training": training, "momentum": 0.1, "eps": 1e-5}
            case("batch_norm", x, *rest, **options)
            case("batch_norm_relu", x, *rest, **options)
            case("batch_norm_add_relu", x, *rest, given(shape, at=[(1, NAN)], name="addend"), **options)


def run(index, entry):
    leaves, label = {}, f"{index} {entry['op']}"
    for spec in entry["inputs"]:
        x = tensor(f"{label} {spec['name']}", spec)
        leaves[spec["name"]] = x if spec["name"].startswith("running") else x.requires_grad_()
    y = OPS[entry["op"]](leaves, entry["options"])
    y.backward(tensor(f"{label} dy", gradient_like(y.shape)))
    results = {"y": y}
    for name, x in leaves.items():
        results[name if name.startswith("running") else f"d{name}"] = x if name.startswith("running") else x.grad
    return {name: measures(f"{label} along {name}", x) for name, x in results.items()}


def spelled(entry):
    """NaN and infinities as JSON has them: not at all."""
    inputs = [spec | ({"at": [[place, number(value)] for place, value in spec["at"]]} if "at" in spec else {})
              for spec in entry["inputs"]]
    options = {name: number(value) if name == "value" else value for name, value in entry["options"].items()}
    return entry | {"inputs": inputs, "options": options}


def main():
    pools(), activations(), normalisations(), relus()
    lines = []
    for index, entry in enumerate(CASES):
        results = run(index, entry)
        lines.append(json.dumps(spelled(entry) | {"results": results}, allow_nan=False))
    file = pathlib.Path(__file__).parent / "files" / "ops.json"
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{len(lines)} cases, {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
