"""Prints where PyTorch's optimizers take four parameters in six steps, in f64.

python3 tests/golden/optimizers.py (needs torch); its lines are the table of tests/optim/optimizer_test.cc. The loss is
sum(a w^2 / 2 - 0.3 w) with a = (0.5, 1, 1.5, 2), from w = (0.25, 0.5, 0.75, 1).
"""
import torch


def run(name, make):
    w = torch.tensor([0.25, 0.5, 0.75, 1.0], dtype=torch.float64, requires_grad=True)
    a = torch.tensor([0.5, 1.0, 1.5, 2.0], dtype=torch.float64)
    optimizer = make([w])
    for _ in range(6):
        optimizer.zero_grad()
        (a * w * w / 2 - 0.3 * w).sum().backward()
        optimizer.step()
    print(name, ", ".join(f"{v:.12g}" for v in w.tolist()))


o = torch.optim
run("sgd", lambda p: o.SGD(p, lr=0.1))
run("decay", lambda p: o.SGD(p, lr=0.1, weight_decay=0.2))
run("momentum", lambda p: o.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.2))
run("nesterov", lambda p: o.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.2, nesterov=True))
run("adam", lambda p: o.Adam(p, lr=0.1))
run("adam_decay", lambda p: o.Adam(p, lr=0.1, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.2))
run("adamw", lambda p: o.AdamW(p, lr=0.1, weight_decay=0.2))
