#!/usr/bin/env python3
"""What the emulator has to catch, each shown by a deliberate mistake in a real kernel of the tree.

Usage: mutants_test.py BUILD

Each mutant replaces one exact piece of a kernel's source, which must still be there. All of them are compiled at once
and chosen at run time (tools/gpu/emulated_build.py, tools/gpu/mutation.h). Without a mutant each run has to pass; with
it, it has to fail, and the report has to hold the given words. A sanitized build expects AddressSanitizer's words for
accesses out of bounds.
"""
import collections
import concurrent.futures
import dataclasses
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/gpu"))
from emulated_build import EmulatedBuild, Failed  # noqa: E402


@dataclasses.dataclass
class Mutant:
    what: str     # what the emulator catches
    run: tuple    # the command that shows it
    words: tuple  # regular expressions that the report matches
    file: str = ""
    old: str = ""  # found exactly once in the file; statements, or anything where `new` holds {alive}
    new: str = ""  # what stands there in the mutant; {alive} is whether it is the one chosen
    sanitized: tuple = ()  # words in a sanitized build, where they differ


COPY, ARGMAX, TENSOR_TILES = ("kernels/cuda/" + name for name in ("copy.cu", "argmax.cu", "tensor_tiles.h"))
THREAD = r"block \(\d+, 0, 0\), thread \(\d+, 0, 0\): "
UNWRITTEN = " is memory that was never written, or was computed from such"
FORBIDDEN = "AddressSanitizer: use-after-poison"
TILES, FILL, MOVE = ("misuse", "tiles"), ("misuse", "fill"), ("misuse", "copy")
ARGMAX_ROWS = ("weft", "op", "argmax", "--shape", "5x3000", "--attr", "axis=1", "--repeat", "1", "--output", "y.npy",
               "--device", "emulated")
PRODUCT = ("weft", "op", "matmul", "--shape", "64x128,128x64", "--dtype", "bf16", "--repeat", "1", "--output", "y.npy",
           "--device", "emulated", "--kernel", "matmul_forward=cuda.tensor_cores")
SECOND_BARRIER = """    __syncthreads();
    for (unsigned r = row; r < kSide; r += kThreads / 32)
      for (unsigned c = lane; c < kSide; c += 32)
        if (a + r < plane.a && b + c < plane.b)"""
FIRST_BARRIER = "    __syncthreads();  // the tile before has been written out\n"
MUTANTS = [
    Mutant("a missing barrier before a read", TILES,
           (r"f32 \(300, 300\)" + UNWRITTEN + "; the last kernel to write to it was transpose_tiles<",), COPY,
           SECOND_BARRIER, SECOND_BARRIER.replace("__syncthreads();", "if (!{alive}) __syncthreads();")),
    Mutant("a missing barrier before shared memory is used again", TILES, ("wrong numbers",), COPY, FIRST_BARRIER, ";"),
    Mutant("a divergent barrier", TILES,
           (r"transpose_tiles<.*: " + THREAD + r"at copy.cu:\d+: waits at __syncthreads, but thread \(\d+, 0, 0\) "
            r"waits at another one, copy.cu:\d+",), COPY, FIRST_BARRIER, "if (threadIdx.x >= 32) __syncthreads();"),
    Mutant("a thread that ends before a barrier", TILES,
           (r"transpose_tiles<.*: " + THREAD + r"at copy.cu:\d+: waits at __syncthreads, but thread \(7, 0, 0\) has "
            r"ended",), COPY, FIRST_BARRIER, "if (threadIdx.x == 7) return; __syncthreads();"),
    Mutant("a shuffle that names a lane which has ended", ARGMAX_ROWS,
           (r"argmax_rows<.*: " + THREAD + r"at argmax.cu:\d+: a warp function names lane 31, which has ended",),
           ARGMAX,
           "  SharedMemory shared;\n  Peak<Value<T>>* exchange",
           "  if ({alive} && threadIdx.x == 31) return;\n  SharedMemory shared;\n  Peak<Value<T>>* exchange"),
    Mutant("a write beyond global memory", FILL,
           (r"fill_packs<.*given 4004 bytes of memory, wrote beyond the end of them",), COPY,
           "for (std::int64_t i = elements / n * n + first_item(); i < elements; i += item_step()) y[i] = value;",
           "for (std::int64_t i = elements / n * n + first_item(); i < elements + 1; i += item_step()) y[i] = value;",
           (FORBIDDEN, r"fill_packs<.*: " + THREAD + "out of bounds")),
    Mutant("a write before global memory", FILL,
           (r"fill_packs<.*given 4004 bytes of memory, wrote before the beginning of them",), COPY,
           "for (std::int64_t i = elements / n * n + first_item(); i < elements; i += item_step()) y[i] = value;",
           "for (std::int64_t i = elements / n * n + first_item(); i < elements; i += item_step()) y[-1] = value;",
           (FORBIDDEN, r"fill_packs<.*: " + THREAD + "out of bounds")),
    Mutant("a read beyond global memory", MOVE,
           (r"element \d+ of f32 \(1001,\) lay beyond an array, .*; the last kernel to write to it was move_words<",),
           COPY,
           "value[u] = load_pack<1>(x + at[0]);",
           "value[u] = load_pack<1>(x + at[0] + (first + u * step + 1 == offsets.items ? 1 : 0));",
           (FORBIDDEN, r"move_words<.*: " + THREAD + "out of bounds")),
    Mutant("a write beyond shared memory", TILES,
           (r"transpose_tiles<.*wrote \d+ bytes beyond the end of shared array 0",), COPY,
           "tile[r * kPitch + c] = x[", "tile[r * kPitch + c + ({alive} && r + 1 == kSide ? 2 : 0)] = x[",
           (FORBIDDEN, r"transpose_tiles<.*: " + THREAD + "out of bounds")),
    Mutant("a read of memory that nobody wrote", MOVE,
           (r"f32 \(1001,\)" + UNWRITTEN + "; the last kernel to write to it was move_words<",), COPY,
           "store_pack(y + to[u], value[u]);", "if (first + u * step != 100) store_pack(y + to[u], value[u]);"),
    Mutant("a misaligned access of a vector", FILL,
           (r"fill_packs<.*: " + THREAD + r"at copy.cu:\d+: an access of 16 bytes at a misaligned address",), COPY,
           "store_pack(y + i * n, pack);", "store_pack(y + i * n + ({alive} ? 1 : 0), pack);"),
    Mutant("a host dereference of a device pointer", FILL,
           ("emulated: host code read or wrote memory of the device; copy it with to\\(cpu\\) first",), COPY,
           "  Word* to = static_cast<Word*>(y.raw());\n",
           "  Word* to = static_cast<Word*>(y.raw());\n  if ({alive}) *to = value;\n"),
    Mutant("a launch beyond the device's limits", FILL,
           (r"fill_packs<.*: blocks of \(2048, 1, 1\) threads, more than a device takes",), COPY,
           ".threads = kThreads}, stream_of(y),\n        y.elements(), value, to);",
           ".threads = {alive} ? 2048u : kThreads}, stream_of(y),\n        y.elements(), value, to);"),
    Mutant("a missing wait for asynchronous copies", PRODUCT,
           (UNWRITTEN + "; the last kernel to write to it was multiply",), TENSOR_TILES,
           "wait_for_copies<ahead - 1>();", ";"),
    # Not in a kernel: misuse of streams and memory through the public interface (tests/emulated/misuse).
    Mutant("reading what another stream has not finished", ("misuse", "streams"), (r"f32 \(1000,\)" + UNWRITTEN,)),
    Mutant("use after free through the caching allocator", ("misuse", "freed"), (r"f32 \(1000,\)" + UNWRITTEN,),
           sanitized=(FORBIDDEN,)),
    Mutant("a host dereference of a tensor's data", ("misuse", "host"), ("emulated: host code read or wrote memory",)),
]


def planted(mutants):
    """{file: its text with all its mutants, chosen by number}."""
    texts, places = {}, collections.defaultdict(list)
    for number, mutant in enumerate(mutants):
        if not mutant.file:
            continue
        text = texts.setdefault(mutant.file, (ROOT / mutant.file).read_text())
        if text.count(mutant.old) != 1:
            sys.exit(f"mutants: {mutant.file} holds {text.count(mutant.old)} times the text that '{mutant.what}' "
                     f"replaces; it must be there once. Choose another place for it:\n{mutant.old}")
        places[mutant.file, mutant.old].append((f"::weft_mutation::alive({number})", mutant.new))
    for (file, old), its in places.items():
        if "{alive}" in its[0][1]:
            text = its[0][1].replace("{alive}", its[0][0])
        else:
            text = "".join(f"if ({alive}) {{ {new}\n}} else " for alive, new in its) + "{ " + old.rstrip() + "\n}\n"
        texts[file] = texts[file].replace(old, text)
    return {file: f'#include "tools/gpu/mutation.h"\n#line 1 "{file}"\n{text}' for file, text in texts.items()}


def check(module, number, mutant):
    """What is wrong with how the mutant is caught, or an empty string."""
    program, *words = mutant.run
    words = [module.folder / f"{number}.npy" if word == "y.npy" else word for word in words]
    command = [str(module.build / "bin/misuse") if program == "misuse" else "weft", *words]
    if mutant.file:
        sound = module.run(command, cpu_seconds=60, to_the_end=True)
        if sound.caught:
            return f"fails without the mutant: {sound.text.strip()[-400:]}"
    outcome = module.run(command, {"WEFT_MUTANT": str(number)}, cpu_seconds=60, to_the_end=True)
    if not outcome.caught:
        return "is not noticed"
    wanted = mutant.sanitized if module.sanitized and mutant.sanitized else mutant.words
    missing = [word for word in wanted if not re.search(word, outcome.text)]
    return f"is reported without {missing[0]!r}: {outcome.text.strip()[-600:]}" if missing else ""


def main():
    build = pathlib.Path(sys.argv[1])
    module = EmulatedBuild(build, build / "deliberate-mutants")
    for file, text in planted(MUTANTS).items():
        module.change(file, text)
    failed = module.compile(2)
    if failed:
        raise Failed("\n".join(failed.values())[-3000:])
    module.link()
    complaints = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda pair: check(module, *pair), enumerate(MUTANTS))
        for mutant, complaint in zip(MUTANTS, found):
            complaints += bool(complaint)
            print(f"{mutant.what}: {complaint or 'caught'}", flush=True)
    print(f"mutants: {len(MUTANTS) - complaints} of {len(MUTANTS)} are caught as they should be")
    return 1 if complaints else 0


try:
    sys.exit(main())
except Failed as error:
    sys.exit(f"mutants: {error}")
