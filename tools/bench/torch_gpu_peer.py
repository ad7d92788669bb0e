"""The peer's side of tools/gpu/check: PyTorch's times on one device, asked for line by line.

Usage: torch_gpu_peer.py [--device cuda]

Reads one JSON request a line and answers each with one JSON line, so that PyTorch starts once while its measurements
alternate with weft's. Requests, all with "what": facts | step (net, batch, mode) | matmul (m, n, k, dtype) | conv2d
(n, c, h, k, r, stride, padding, dtype) | copy (bytes) | op (name, shape, dtype) | dispatch | zoo (net, batch, channels,
size, classes, dtype, compile). Times are medians of groups of calls between two events of the device; data are random,
since zeros make a GPU look faster than it is.
"""
import argparse
import gc
import json
import sys
import time

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--device", default="cuda")
parser.add_argument("--seconds", type=float, default=0.4, help="about as long each measurement takes")
options = parser.parse_args()
DEVICE = torch.device(options.device)
ON_GPU = DEVICE.type == "cuda"
torch.backends.cudnn.benchmark = True

NETS = {
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)),
    "lenet": lambda: nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(),
        nn.Linear(84, 10)),
}


def median(values):
    return sorted(values)[len(values) // 2]


def wait():
    if ON_GPU:
        torch.cuda.synchronize()


def group_ms(call, calls):
    """Milliseconds a call when so many are queued at once."""
    if not ON_GPU:
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        return 1e3 * (time.perf_counter() - begin) / calls
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record()
    for _ in range(calls):
        call()
    last.record()
    last.synchronize()
    return first.elapsed_time(last) / calls


def median_ms(call):
    for _ in range(3):
        call()
    wait()
    calls = max(1, min(100, int(1 / max(group_ms(call, 1), 1e-3))))
    times, stop = [], time.perf_counter() + options.seconds
    while len(times) < 3 or (time.perf_counter() < stop and len(times) < 200):
        times.append(group_ms(call, calls))
    return median(times)


def dtype_of(name):
    return {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "f64": torch.float64}[name]


def facts(_):
    answer = {"torch": torch.__version__, "cuda": torch.version.cuda}
    if ON_GPU:
        properties = torch.cuda.get_device_properties(0)
        answer.update(device=properties.name, multiprocessors=properties.multi_processor_count,
                      memory_bytes=properties.total_memory, cudnn=torch.backends.cudnn.version())
    return answer


def step(request):
    """A training step as a PyTorch user writes it: cross-entropy, SGD with momentum."""
    torch.manual_seed(1)
    low = request["mode"] != "eager"
    form = torch.channels_last if low else torch.contiguous_format
    net = NETS[request["net"]]().to(DEVICE).to(memory_format=form)
    x = torch.rand(request["batch"], 1, 28, 28, device=DEVICE).to(memory_format=form)
    y = torch.randint(0, 10, (request["batch"],), device=DEVICE)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    run = torch.compile(net) if request["mode"] == "compile" else net

    def one():
        optimizer.zero_grad()
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=low):
            loss = nn.functional.cross_entropy(run(x), y)
        loss.backward()
        optimizer.step()

    begin = time.perf_counter()
    one()
    wait()
    first_s = time.perf_counter() - begin
    return {"ms": median_ms(one), "first_s": first_s}


def zoo(request):
    """A step of a convolution net in mixed precision and channels-last, with loss scaling in f16."""
    import torch_zoo

    torch.manual_seed(1)
    dtype, form = dtype_of(request["dtype"]), torch.channels_last
    with DEVICE:  # initial values are drawn where they stay
        net = NETS[request["net"]]() if request["net"] in NETS else torch_zoo.net(
            request["net"], request["channels"], request["classes"])
    net = net.to(memory_format=form).train()
    x = torch.rand(request["batch"], request["channels"], request["size"], request["size"], device=DEVICE)
    x = x.to(memory_format=form)
    y = torch.randint(0, request["classes"], (request["batch"],), device=DEVICE)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9, **({"fused": True} if ON_GPU else {}))
    scaler = torch.amp.GradScaler(DEVICE.type, enabled=dtype == torch.float16 and ON_GPU)
    run = torch.compile(net) if request["compile"] else net

    def one():
        optimizer.zero_grad()
        with torch.autocast(DEVICE.type, dtype):
            loss = nn.functional.cross_entropy(run(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    begin = time.perf_counter()
    one()
    wait()
    first_s = time.perf_counter() - begin
    return {"ms": median_ms(one), "first_s": first_s,
            "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if ON_GPU else None}


def matmul(request):
    dtype = dtype_of(request["dtype"])
    a = torch.rand(request["m"], request["k"], device=DEVICE).sub_(0.5).to(dtype)
    b = torch.rand(request["k"], request["n"], device=DEVICE).sub_(0.5).to(dtype)
    return {"ms": median_ms(lambda: a @ b)}


def conv2d(request):
    dtype, form = dtype_of(request["dtype"]), torch.channels_last
    shape, r = (request["n"], request["c"], request["h"], request["h"]), request["r"]
    x = torch.rand(shape, device=DEVICE).sub_(0.5).to(dtype).to(memory_format=form).requires_grad_()
    weight = torch.rand(request["k"], request["c"], r, r, device=DEVICE).sub_(0.5).to(dtype)
    weight = weight.to(memory_format=form).requires_grad_()
    bias = torch.rand(request["k"], device=DEVICE).to(dtype).requires_grad_()

    def forward():
        return nn.functional.conv2d(x, weight, bias, request["stride"], request["padding"])

    y = forward()
    dy = torch.rand_like(y)
    with torch.no_grad():
        forward_ms = median_ms(forward)
    backward_ms = median_ms(lambda: torch.autograd.grad(y, (x, weight, bias), dy, retain_graph=True))
    return {"ms": forward_ms, "backward_ms": backward_ms}


def copy(request):
    a = torch.randint(0, 255, (request["bytes"],), dtype=torch.uint8, device=DEVICE)
    b = torch.empty_like(a)
    return {"ms": median_ms(lambda: b.copy_(a))}


def op(request):
    x = torch.rand(request["shape"], device=DEVICE).to(dtype_of(request["dtype"]))
    y = torch.rand_like(x) if request["name"] == "add" else None
    calls = {"add": lambda: x + y, "relu": lambda: torch.relu(x), "exp": lambda: torch.exp(x),
             "softmax": lambda: torch.softmax(x, -1), "sum": lambda: x.sum(-1)}
    with torch.no_grad():
        return {"ms": median_ms(calls[request["name"]])}


def dispatch(_):
    a, b = torch.ones(1, device=DEVICE), torch.ones(1, device=DEVICE)
    times = []
    for _ in range(25):
        wait()
        begin = time.perf_counter()
        for _ in range(200):
            torch.add(a, b)
        times.append((time.perf_counter() - begin) / 200)
    return {"add_ns": 1e9 * median(times)}


ANSWERS = {"facts": facts, "step": step, "matmul": matmul, "conv2d": conv2d, "copy": copy, "op": op,
           "dispatch": dispatch, "zoo": zoo}


def main():
    print(json.dumps({"ready": torch.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = ANSWERS[request["what"]](request)
        except Exception as error:  # the next request may still work
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        if request.get("compile"):
            torch.compiler.reset()  # or it keeps the net
        if ON_GPU:
            gc.collect()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        print(json.dumps(answer), flush=True)


main()
