#!/usr/bin/env python3
"""tools/gpu/check, whole, on the emulated device with tiny sizes; and what it does when parts of it fail.

Usage: check_test.py PROGRAMS       the folder of weft and weft_bench_dispatch
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ["facts", "selftest", "sanitizer", "training", "benchmarks", "zoo", "profile", "rows"]
RUN_HERE = {"facts", "selftest", "training", "benchmarks", "zoo", "rows"}
GROUPS = {"copy", "training step", "matmul", "conv2d", "memory", "dispatch"}
# A weft that hangs in one command, dies in another, and says nonsense in a third.
BROKEN = """#!{python}
import os, sys, time
command = sys.argv[1] if len(sys.argv) > 1 else ""
if command == "selftest":
    print("add: a first complaint", flush=True)
    time.sleep(600)
if command == "train":
    os.kill(os.getpid(), 9)
if command == "bench":
    sys.exit(print("no JSON at all"))
os.execv("{weft}", ["weft", *sys.argv[1:]])
"""
failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"check_test: {what}", flush=True)


def run_check(output, *words):
    done = subprocess.run([ROOT / "tools/gpu/check", "--device", "emulated", "--dry-run", "--output", output, *words],
                          capture_output=True, text=True)
    print(done.stdout + done.stderr, flush=True)
    results = json.loads((output / "gpu-check.json").read_text())
    return done.returncode, results, (output / "gpu-check.md").read_text()


def whole_run(folder, programs):
    code, results, table = run_check(folder / "whole", "--programs", programs, "--minutes", "15")
    expect(code == 0, f"the dry run exits with {code}")
    expect([part["part"] for part in results["parts"]] == PARTS, "parts are missing, or in another order")
    for part in results["parts"]:
        allowed = {"done"} if part["part"] in RUN_HERE else {"done", "not here"}
        expect(part["state"] in allowed, f"{part['part']} is {part['state']}: {part['said']}")
        expect(f"| {part['part']} | {part['state']} |" in table, f"{part['part']} is not in the table")
    expect({row["group"] for row in results["benchmarks"]} == GROUPS, "groups of benchmarks are missing")
    for row in results["benchmarks"]:
        ours = [figure for who, figure in row["figures"].items() if not who.startswith("PyTorch")]
        expect(ours and all(figure > 0 for figure in ours), f"no figure of weft's in {row}")
        expect(f"| {row['what']} |" in table, f"{row['what']} is not in the table")
    expect("weft, captured" in results["benchmarks"][1]["figures"], "no captured steps")
    expect(set(results["training"]) == {"CN1 LeNet", "P3 MLP"}, "a training is missing")
    expect(set(results["rows"]) == {"CN2 AlexNet"}, "the row of the lecture notes is missing")
    zoo_table(results["zoo"], table)


def zoo_table(zoo, table):
    expect([row["what"] for row in zoo["rows"]] == ["densenet_d2l (2)", "lenet (2)"], "nets of the zoo are missing")
    expect(zoo["roofline"]["TFLOP/s"] > 0 and zoo["roofline"]["GB/s"] > 0, "the roofline has no rates")
    for row in zoo["rows"]:
        expect({"weft f16", "weft bf16"} <= set(row["figures"]), f"figures of weft's are missing in {row}")
        expect(all(rate > 0 for rate in row["figures"].values()), f"a figure is not positive in {row}")
        expect(row["reached"] is None and "verdicts" not in row, f"a dry run judges speed: {row}")
        # All that is known of the kernels of a net: five, by falling time, and a bound that they do not beat here.
        top = row["top"]
        expect(len(top) == 5 and top == sorted(top, key=lambda kernel: -kernel["ms"]), f"not the top five: {top}")
        expect(0 < sum(kernel["share"] for kernel in top) <= 1, f"shares beyond the whole: {top}")
        expect(row["roofline_images_per_s"] > 0 and row["share"] > 0, f"no share of the roofline: {row}")
        expect(f"| {row['what']} |" in table and f"- {row['what']}: " in table, f"{row['what']} is not in the table")


def only_zoo(folder, programs):
    """--only runs a part with the facts; a net for which no time is left is written down."""
    code, results, table = run_check(folder / "only", "--programs", programs, "--only", "zoo", "--minutes", "0.02")
    expect([part["part"] for part in results["parts"]] == ["facts", "zoo"], "--only zoo ran other parts")
    expect(code == 1 and results["parts"][1]["state"] == "out of time", f"no time is {results['parts'][1]}")
    expect(any(row.get("note") == "its turn did not come" for row in results["zoo"]["rows"]), "no net was put off")
    expect("its turn did not come" in table, "the net that was put off is not in the table")
    done = subprocess.run([ROOT / "tools/gpu/check", "--only", "zo"], capture_output=True, text=True)
    expect(done.returncode == 2 and "there is no part zo" in done.stderr, f"--only zo: {done.stderr}")


def broken_run(folder, programs):
    broken = folder / "programs"
    broken.mkdir()
    (broken / "weft").write_text(BROKEN.format(python=sys.executable, weft=programs / "weft"))
    (broken / "weft").chmod(0o755)
    (broken / "weft_bench_dispatch").symlink_to(programs / "weft_bench_dispatch")
    begin = time.monotonic()
    code, results, table = run_check(folder / "broken", "--programs", broken, "--minutes", "1")
    states = {part["part"]: part["state"] for part in results["parts"]}
    expect(time.monotonic() - begin < 75, "a part that hangs was not ended in time")
    expect(code == 1, f"a run with failed parts exits with {code}")
    expect(states["facts"] == "done", "facts failed")
    expect(states["selftest"] == "out of time", f"a selftest that hangs is {states['selftest']}")
    expect("a first complaint" in table, "what was said before the time was up is lost")
    expect(states["training"] == "failed", f"a training that dies is {states['training']}")
    expect(states["benchmarks"] in ("failed", "out of time"), f"benchmarks without JSON are {states['benchmarks']}")
    expect(any(row["group"] == "dispatch" or row["group"] == "copy" for row in results["benchmarks"]),
           "benchmarks after a failed one were not made")


with tempfile.TemporaryDirectory() as scratch:
    whole_run(pathlib.Path(scratch), pathlib.Path(sys.argv[1]).resolve())
    only_zoo(pathlib.Path(scratch), pathlib.Path(sys.argv[1]).resolve())
    broken_run(pathlib.Path(scratch), pathlib.Path(sys.argv[1]).resolve())
sys.exit(1 if failures else 0)
