#!/usr/bin/env python3
"""Every program of examples/ explains itself, refuses what it does not know, and trains a little where there is data.

Usage: examples_test.py PROGRAMS       the folder of the programs example_<name>
"""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WITHOUT_DATA = {"linear_regression", "weight_decay"}  # make their own
failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"examples_test: {what}", flush=True)


def run(program, *words):
    return subprocess.run([program, *words], capture_output=True, text=True)


def check(program, name, has_data):
    if name in WITHOUT_DATA:
        expect(run(program).returncode == 0, f"{name} fails")
        return
    told = run(program, "--help")
    expect(told.returncode == 0 and "--samples" in told.stdout and "Fashion-MNIST" in told.stdout, f"{name} --help")
    for words, code, said in ((["--epoch", "1"], 2, "unknown argument '--epoch'"), (["--epochs"], 2, "needs a value"),
                              (["--epochs", "none"], 2, "positive number"), (["--samples", "0"], 2, "positive number"),
                              (["--data-dir", "/nonexistent"], 3, "no such folder")):
        done = run(program, *words)
        expect(done.returncode == code and said in done.stderr and done.stderr.count("\n") == 1,
               f"{name} {' '.join(words)} exits with {done.returncode}: {done.stderr}")
    if has_data:
        done = run(program, "--samples", "8", "--epochs", "1")
        expect(done.returncode == 0 and "not judged" in done.stdout, f"{name} does not train: {done.stderr}")


sources = sorted((ROOT / "examples").glob("*.cc"))
expect(len(sources) >= 13, "examples are missing")
for source in sources:
    check(pathlib.Path(sys.argv[1]) / f"example_{source.stem}", source.stem,
          (pathlib.Path(os.environ.get("WEFT_DATA_DIR", "/nonexistent")) / "fashion-mnist").exists())
sys.exit(1 if failures else 0)
