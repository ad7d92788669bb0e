"""Prints PyTorch's learning rates for the schedules that optim/schedule.h shares with it, as factors on a base of 1.

python3 tests/golden/schedules.py (needs torch); its lines are the tables of tests/optim/schedule_test.cc.
"""
import torch
from torch.optim import lr_scheduler as s


def rates(make, steps, metrics=None):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer)
    values = []
    for t in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(metrics[t]) if metrics else schedule.step()
    return values


def show(name, values):
    print(name, ", ".join(f"{v:.10g}" for v in values))


show("step", rates(lambda o: s.StepLR(o, 3, 0.5), 8))
show("multistep", rates(lambda o: s.MultiStepLR(o, [2, 5], 0.1), 8))
show("exponential", rates(lambda o: s.ExponentialLR(o, 0.8), 6))
show("cosine", rates(lambda o: s.CosineAnnealingLR(o, 8, eta_min=0.1), 9))
show("polynomial", rates(lambda o: s.PolynomialLR(o, 6, power=2.0), 8))
show("one_cycle", rates(lambda o: s.OneCycleLR(o, max_lr=1.0, total_steps=10), 10))
show("warm_up", rates(lambda o: s.SequentialLR(
    o, [s.LinearLR(o, 0.25, total_iters=4), s.CosineAnnealingLR(o, 4)], [4]), 9))
show("chained", rates(lambda o: s.ChainedScheduler(
    [s.ExponentialLR(o, 0.9), s.StepLR(o, 2, 0.5)]), 6))
LOSSES = [1.0, 0.9, 0.9, 0.91, 0.89, 0.95, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
show("plateau", rates(lambda o: s.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1), 12, LOSSES))
show("plateau_max", rates(
    lambda o: s.ReduceLROnPlateau(o, mode="max", factor=0.5, patience=2, min_lr=0.2), 12, LOSSES))
