#!/usr/bin/env python3
"""needs_test.py READELF FILE...: neither weft nor its libraries name a CUDA library among what they need to be loaded.

The CUDA module brings the CUDA runtime within itself and opens the driver, cuBLASLt and cuDNN when it uses them.
"""
import re
import subprocess
import sys


def main(readelf, *files):
    assert files, "there is nothing to read"
    for file in files:
        header = subprocess.run([readelf, "-d", file], check=True, capture_output=True, text=True).stdout
        needed = re.findall(r"\(NEEDED\)\s+Shared library: \[([^]]+)\]", header)
        assert needed, f"{file} needs nothing: was it read?"
        cuda = [name for name in needed if re.match(r"lib(cuda|cu(blas|dnn)|nv|nccl)", name)]
        assert not cuda, f"{file} needs {cuda}"
        print(file.rsplit("/", 1)[-1], "needs", " ".join(needed))


if __name__ == "__main__":
    main(sys.argv[1], *[file for file in sys.argv[2:] if file])
