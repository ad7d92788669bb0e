#!/usr/bin/env python3
"""Nothing of one instruction level of the CPU kernels can be reached by name from anywhere else.

levels_test.py NM READELF OBJECT... LIBRARY: the combined object of each level, and libweft. A linker merges weak
symbols of equal name; were one of them compiled for AVX-512, a lesser CPU could be sent there.
"""
import re
import subprocess
import sys


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def visible_symbols(nm, path):
    """Names an object defines that are not local: global, weak, unique."""
    names = set()
    for line in run(nm, "--defined-only", path).splitlines():
        kind, name = line.split()[-2:]
        if kind.isupper() or kind in {"u", "w", "v"}:
            names.add(name)
    return names


def check_level(nm, readelf, path, say):
    level = re.search(r"weft_cpu_(\w+)\.o$", path).group(1)
    symbols = visible_symbols(nm, path)
    if symbols != {f"weft_init_{level}"}:
        say(f"{path}: only weft_init_{level} may be visible, but so are {sorted(symbols)[:10]}")
    sections = run(readelf, "--sections", "--wide", path)
    if re.search(r"\s\.(init_array|ctors|preinit_array)", sections):
        say(f"{path}: has initialisers that the loader would run on every CPU")
    if re.search(r"\sGROUP\s", sections):
        say(f"{path}: has COMDAT groups, which a linker merges by name")
    if not re.search(rf" [DV] weft_init_{level}$", run(nm, path), re.M):
        say(f"{path}: weft_init_{level} does not name the list of registrations")
    if not run(nm, path).count("weft3cpu"):
        say(f"{path}: holds no kernels at all")
    return symbols


def main():
    nm, readelf, *objects, library = sys.argv[1:]
    complaints = []
    seen = {}
    for path in objects:
        for symbol in check_level(nm, readelf, path, complaints.append):
            if symbol in seen:
                complaints.append(f"{symbol} is visible in {seen[symbol]} and in {path}")
            seen[symbol] = path
    exported = run(nm, "--dynamic", "--defined-only", library) if library.endswith(".so") else ""
    if re.search(r"weft3cpu|weft_init_", exported):
        complaints.append(f"{library}: shows symbols of the CPU levels")
    print("\n".join(complaints) if complaints else f"levels: {len(objects)} levels share no symbol")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
