"""The peer's side of compare_torch: prints one JSON object with PyTorch's medians for one measurement.

Usage: torch_peer.py step NET BATCH FORMAT STEPS | convolution N C SIZE K R | dispatch | first_step
"""
import json
import resource
import sys
import time

START = time.perf_counter()
import torch  # noqa: E402
from torch import nn  # noqa: E402

import torch_zoo  # noqa: E402

NETS = {
    "softmax_regression": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)),
    "lenet": lambda: nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(),
        nn.Linear(84, 10)),
}


def median(values):
    return sorted(values)[len(values) // 2]


def stepper(net, batch, channels_last):
    torch.manual_seed(1)
    channels, size, classes = (1, 28, 10) if net in NETS else torch_zoo.INPUT.get(net, torch_zoo.TORCHVISION)
    model = NETS[net]() if net in NETS else torch_zoo.net(net)
    x, y = torch.rand(batch, channels, size, size), torch.randint(0, classes, (batch,))
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss_of(model(x), y).backward()
        optimizer.step()

    return step


def time_steps(net, batch, channels_last, steps):
    step = stepper(net, batch, channels_last)
    for _ in range(10 if steps > 20 else 2):
        step()
    times = []
    for _ in range(steps):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # GiB, the import of PyTorch included
    return {"step_ms": median(times) * 1e3, "peak_gib": peak}


def time_convolution(n, c, size, k, r, runs=20):
    """ms of a convolution of channels-last images that keeps their size, and of its three gradients together."""
    x = torch.rand(n, c, size, size).to(memory_format=torch.channels_last).requires_grad_()
    conv = nn.Conv2d(c, k, r, padding=r // 2).to(memory_format=torch.channels_last)
    forward, backward = [], []
    for _ in range(runs):
        begin = time.perf_counter()
        y = conv(x)
        middle = time.perf_counter()
        torch.autograd.grad(y, (x, conv.weight, conv.bias), y.detach())
        forward.append(middle - begin)
        backward.append(time.perf_counter() - middle)
    return {"forward": median(forward) * 1e3, "backward": median(backward) * 1e3}


def time_dispatch(rounds=25, calls=4000):
    a, b, w, dy = torch.ones(1), torch.ones(1), torch.ones(1, requires_grad=True), torch.ones(1)

    def timed(body):
        times = []
        for _ in range(rounds):
            begin = time.perf_counter()
            for _ in range(calls):
                body()
            times.append((time.perf_counter() - begin) / calls)
        return median(times) * 1e9

    def both():
        w.grad = None
        torch.add(a, w).backward(dy)

    return {"add_ns": timed(lambda: torch.add(a, b)), "add_with_graph_ns": timed(lambda: torch.add(a, w)),
            "add_forward_backward_ns": timed(both)}


def main():
    torch.set_num_threads(2)
    mode = sys.argv[1]
    if mode == "step":
        result = time_steps(sys.argv[2], int(sys.argv[3]), sys.argv[4] == "channels-last", int(sys.argv[5]))
    elif mode == "convolution":
        result = time_convolution(*map(int, sys.argv[2:7]))
    elif mode == "dispatch":
        result = time_dispatch()
    else:
        stepper("lenet", 256, False)()
        result = {"first_step_s": time.perf_counter() - START}
    result["torch"] = torch.__version__
    print(json.dumps(result))


main()
