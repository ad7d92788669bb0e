#!/usr/bin/env python3
"""nvtx_test.py WEFT LISTENER: trains two steps with an NVTX tool injected and reads what the tool was told."""
import os
import re
import subprocess
import sys
import tempfile


def ranges(lines):
    """(depth, category, kind, payload, text) of each range; fails when pushes and pops do not match."""
    depth, found = 0, []
    for line in lines:
        if line.startswith("push "):
            category, kind, payload, text = line.split(" ", 4)[1:]
            found.append((depth, int(category), kind, int(payload), text))
            depth += 1
        elif line == "pop":
            depth -= 1
            assert depth >= 0, "more pops than pushes"
    assert depth == 0, f"{depth} ranges were never closed"
    return found


def main(weft, listener):
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "nvtx.log")
        command = [weft, "train", "--model", "lenet", "--data", "shapes", "--samples", "64", "--batch-size", "32",
                   "--steps", "2", "--epochs", "1", "--seed", "1", "--quiet", "--output", os.path.join(folder, "run")]
        subprocess.run(command, check=True, env={**os.environ, "NVTX_INJECTION64_PATH": listener,
                                                 "WEFT_TEST_NVTX_LOG": log}, stdout=subprocess.DEVNULL)
        lines = open(log, encoding="utf-8").read().splitlines()
    assert lines.count("domain weft") == 1, lines[:3]
    categories = {int(m[1]): m[2] for m in (re.fullmatch(r"category (\d+) (\w+)", line) for line in lines) if m}
    assert set(categories.values()) == {"step", "forward", "backward", "optim", "comm", "data", "eval", "io"}
    found = ranges(lines)
    named = [(categories[category], kind, payload, text) for _, category, kind, payload, text in found]
    assert [r[2] for r in named if r[0] == "step"] == [1, 2], "a range per step, with its number"
    for phase, text in (("forward", "forward"), ("backward", "backward"), ("optim", "optim"), ("data", "data"),
                        ("eval", "eval"), ("io", "checkpoint")):
        assert (phase, "registered", text) in {(r[0], r[1], r[3]) for r in named}, f"no range of {phase}"
    layers = {r[3] for r in named if r[1] == "registered" and r[0] == "forward"}
    assert {"LeNet", "features.0", "classifier.0"} <= layers, f"layers are {layers}"
    first_call = r"features.0 \| conv2d_forward \| 32x1x28x28 f32 (nhwc|nchw) \| seq=\d+"
    forward = [r for r in named if re.fullmatch(first_call, r[3])]
    assert len(forward) >= 2 and all(r[0] == "forward" for r in forward), "the first layer runs in each step"
    backward = [r for r in named if r[0] == "backward" and r[3].startswith("features.0 | conv2d_backward_weight | ")]
    assert backward, "the gradient is booked to its layer"
    assert {r[2] for r in backward} <= {r[2] for r in forward}, "the gradient repeats the number of the forward call"
    print(f"{len(found)} ranges")


if __name__ == "__main__":
    main(*sys.argv[1:3])
