#!/usr/bin/env python3
"""tools/gpu/check, whole, on the emulated device with tiny sizes; and what it does when parts of it fail.

Usage: check_test.py PROGRAMS       the folder of weft and weft_bench_dispatch
"""
import argparse
import json
import os
import pathlib
import re
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
# Stand-ins for weft and PyTorch on an H200, with figures that the table's arithmetic can be checked by.
H200_WEFT = """#!{python}
import json, sys
words = sys.argv[1:]
if "--version" in words:
    print("weft 0")
elif words[0] == "devices":
    gpu = {{"device": "cuda:0", "available": True, "name": "NVIDIA H200", "capability": "9.0"}}
    print(json.dumps({{"devices": [gpu]}}))
elif words[0] == "op":
    print(json.dumps([] if "--list" in words else {{"forward": {{"ms": 2.0}}}}))
elif "--copy" in words:
    print(json.dumps({{"gbytes_per_s": 4000.0}}))
else:
    said = {{"step_ms": 20.0 if "float16" in words else 25.0, "peak_gib": 7.0}}
    if "--by-kernel" in words:
        said["kernels"] = [
            {{"slot": "conv", "candidate": "a", "calls": 10, "ms": 6.0, "macs_per_call": 2e11, "bytes_per_call": 1e9}},
            {{"slot": "conv", "candidate": "a", "calls": 1, "ms": 1.0, "macs_per_call": 0, "bytes_per_call": 0}},
            {{"slot": "norm", "candidate": "b", "calls": 4, "ms": 3.0, "macs_per_call": 0, "bytes_per_call": 8e9}}]
    print(json.dumps(said))
"""
H200_PYTHON = """#!{python}
import json, sys
print(json.dumps({{"ready": "0"}}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    ms = {{"matmul": 4.0, "copy": 1.0}}.get(request["what"], 30.0 if request.get("dtype") == "f16" else 40.0)
    print(json.dumps({{"ms": 22.0 if request.get("compile") else ms}}), flush=True)
"""
# A weft whose matmul ends the device for its process, and NVIDIA's tools of which one hangs and one reads no counters.
LOST_WEFT = """#!{python}
import json, sys
words = sys.argv[1:]
if words[0] == "op":
    print(json.dumps([{{"name": name, "candidates": {{}}}} for name in ("add", "conv2d", "matmul", "relu")]))
elif words[0] == "selftest":
    ops = words[words.index("--only") + 1]
    if "matmul" not in ops:
        sys.exit(print(ops + ": taken") or print("selftest on cuda: 1 rows, 0 failures"))
    print("add x (3): a first complaint")
    print("matmul x (2): cuda: the device's work: an illegal memory access was encountered")
    for i in range(300):
        print("relu x (3): cuda: cudaMalloc: an illegal memory access was encountered")
    sys.exit(print("selftest on cuda: 3 rows, 302 failures") or 1)
else:
    print(json.dumps({{"devices": [{{"device": "cuda:0", "available": True, "name": "G", "capability": "9.0"}}]}}))
"""
SANITIZER = """#!{python}
import sys, time
if "memcheck" in sys.argv:
    time.sleep(600)
print("========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)")
"""
NCU = """#!{python}
import sys
if "matmul" in sys.argv:
    sys.exit(print("==ERROR== ERR_NVGPUCTRPERM") or 1)
print("==PROF== Connected")
print('"ID","Section Name","Metric Name","Metric Unit","Metric Value"')
print('"0","GPU Speed Of Light Throughput","Compute (SM) Throughput","%","61.5"')
print('"0","GPU Speed Of Light Throughput","Duration","us","8"')
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


def h200_run(folder):
    """The whole table with stand-ins: which nets, whose figures, what they are judged by."""
    places = folder / "h200"
    places.mkdir()
    place(places, {"weft": H200_WEFT, "python": H200_PYTHON})
    words = ["--programs", places, "--python", places / "python", "--only", "zoo", "--output", folder / "out"]
    done = subprocess.run([ROOT / "tools/gpu/check", *words], capture_output=True, text=True)
    expect(done.returncode == 0, f"the table with stand-ins exits with {done.returncode}: {done.stdout}{done.stderr}")
    zoo = json.loads((folder / "out/gpu-check.json").read_text())["zoo"]
    nets = {row["what"]: row for row in zoo["rows"]}
    expect(len(nets) == 11 and "densenet121 (12)" in nets and "nin_d2l (256)" in nets, f"nets: {sorted(nets)}")
    row = nets["resnet50 (256)"]
    wanted = {"weft f16": 256e3 / 20, "weft bf16": 256e3 / 25, "PyTorch eager f16": 256e3 / 30,
              "PyTorch eager bf16": 256e3 / 40, "PyTorch compile": 256e3 / 22}
    expect(all(abs(row["figures"][who] - rate) < 1 for who, rate in wanted.items()), f"figures: {row['figures']}")
    # F = 2 * 8192^3 / 2 ms = 550 TFLOP/s, B = 4 TB/s: ten calls of 4e11 / F s and four of 8e9 / B s.
    bound_s = 10 * 4e11 / (2 * 8192**3 / 2e-3) + 4 * 8e9 / 4e12
    expect(abs(row["share"] - bound_s / 20e-3) < 1e-6, f"share {row['share']}, expected {bound_s / 20e-3}")
    expect([(top["slot"], top["ms"], top["calls"]) for top in row["top"]] == [("conv", 7.0, 11), ("norm", 3.0, 4)],
           f"top kernels: {row['top']}")
    expect(row["verdicts"] == {"≥ 7,950": True, "≥ 1.5 × eager": True, "≥ 1.2 × compile": False} and not row["reached"],
           f"verdicts: {row['verdicts']}")
    expect(nets["densenet121 (12)"]["verdicts"] == {"≥ 3 × eager": False}, "a small batch is judged by eager alone")


def judged():
    """Ours are judged by the library's candidates, under the names that these register; a gradient's two slots get the
    same candidate."""
    sys.path.insert(0, str(ROOT / "tools/gpu"))
    from check_benchmarks import CUBLASLT, CUDNN, Benchmarks
    for library, sources in ((CUBLASLT, "cublas"), (CUDNN, "cudnn")):
        texts = [path.read_text() for path in (ROOT / "kernels" / sources).glob("*.cc")]
        names = {name for text in texts for name in re.findall(r'\.name = "([^"]+)"', text)}
        expect(names and {name.split(".")[0] for name in names} == {library}, f"{library} is not {sorted(names)}")
        for ours, wanted in ((6.0, True), (5.9, False)):
            figures = {"cuda.tiles": 1.0, "cuda.tensor_cores": ours, min(names): 10.0, "PyTorch": 99.0}
            expect(Benchmarks(None, []).judge(figures, library) is wanted, f"{ours} of 10 is not judged {wanted}")
    commands, slots = [], ["conv2d_backward_data", "conv2d_backward_weight"]

    class Machine:
        dry, device = False, "cuda"

        def weft(self, *words, seconds):
            commands.append(words)
            return json.dumps({"backward": {"ms": 4.0}})

    benchmarks = Benchmarks(Machine(), [])
    listed = {slots[0]: ["cudnn.graph", "cuda.tiles", "cuda.more"], slots[1]: ["cudnn.graph", "cuda.tiles"]}
    benchmarks.listed = [{"name": "conv2d", "candidates": listed}]
    rates = benchmarks.candidates_rates("conv2d", slots, "backward", 8e9, [])
    expect(rates == {"cudnn.graph": 2.0, "cuda.tiles": 2.0}, f"rates of both gradients: {rates}")
    forced = [words[words.index("--kernel") + 1] for words in commands]
    expect(forced == ["cudnn.graph", "cuda.tiles"], f"candidates of both gradients: {forced}")


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


def place(folder, programs):
    for name, text in programs.items():
        (folder / name).write_text(text.format(python=sys.executable))
        (folder / name).chmod(0o755)


def lost_run(folder):
    """A fault that ends the device costs one op; a tool that hangs or reads nothing costs what it was asked for."""
    places = folder / "lost"
    places.mkdir()
    place(places, {"weft": LOST_WEFT, "compute-sanitizer": SANITIZER, "ncu": NCU})
    words = ["--programs", places, "--only", "selftest,sanitizer,profile", "--output", folder / "out-lost", "--minutes",
             "0.3"]
    done = subprocess.run([ROOT / "tools/gpu/check", *words], capture_output=True, text=True,
                          env={**os.environ, "PATH": f"{places}:{os.environ['PATH']}"})
    results = json.loads((folder / "out-lost/gpu-check.json").read_text())
    said = {part["part"]: part for part in results["parts"]}
    expect(done.returncode == 1 and all(said[name]["state"] == "failed" for name in ("sanitizer", "profile")),
           f"states: {said}")
    lines = results["selftest"]
    expect("relu: taken" in lines and "conv2d: taken" in results["selftest of convolutions"],
           f"the ops after the one that ended the device were not taken: {lines[-5:]}")
    expect("add x (3): a first complaint" in lines, "the first of many complaints is lost")
    for words in ("1 rows, 0 failures", "a first complaint", "the device is lost: matmul x (2)"):
        expect(said["selftest"]["state"] == "failed" and words in said["selftest"]["said"], f"selftest says: {said}")
    expect("0 hazards" in said["sanitizer"]["said"], f"no racecheck after a memcheck that hangs: {said['sanitizer']}")
    expect("memcheck" in said["sanitizer"]["said"], f"the memcheck that hangs is not named: {said['sanitizer']}")
    expect("matmul: ncu read no counters: ==ERROR== ERR_NVGPUCTRPERM" in said["profile"]["said"] and
           "conv2d: Compute (SM) Throughput 61.5 %" in said["profile"]["said"], f"ncu: {said['profile']}")


def late(folder):
    """A command that passes its own limit has failed alone; one that passes its part's ends the part."""
    sys.path.insert(0, str(ROOT / "tools/gpu"))
    from check_machine import Machine, OutOfTime
    options = argparse.Namespace(device="emulated", dry_run=True, programs=str(folder), python=sys.executable)
    with Machine(options) as machine:
        for seconds, left, wanted in ((0.2, 60, RuntimeError), (60, 0.2, OutOfTime)):
            machine.until = time.monotonic() + left
            try:
                machine.run([sys.executable, "-c", "import time; time.sleep(600)"], seconds)
            except (RuntimeError, OutOfTime) as error:
                expect(type(error) is wanted, f"{seconds} s of {left} s: {error!r}")


judged()
with tempfile.TemporaryDirectory() as scratch:
    whole_run(pathlib.Path(scratch), pathlib.Path(sys.argv[1]).resolve())
    h200_run(pathlib.Path(scratch))
    only_zoo(pathlib.Path(scratch), pathlib.Path(sys.argv[1]).resolve())
    broken_run(pathlib.Path(scratch), pathlib.Path(sys.argv[1]).resolve())
    lost_run(pathlib.Path(scratch))
    late(pathlib.Path(scratch))
sys.exit(1 if failures else 0)
