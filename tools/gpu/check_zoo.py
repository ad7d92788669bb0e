"""The zoo's table of tools/gpu/check: images a second of weft beside PyTorch, how far from the roofline, and where the
time goes.

Every net trains in f16 and in bf16, channels-last, on random data that is on the device; weft's steps are captured
whole. Rounds of weft and PyTorch alternate; PyTorch's compiled nets come last, each with one more round of weft beside
it, because compiling takes longest. A net whose turn does not come is written down.

Roofline of a net: the sum over all kernel calls of a step of max(2 MACs / F, bytes / B), where MACs and bytes follow
from the shapes of the call (each tensor read or written once), F is the rate of the largest 16-bit matrix product and B
that of a copy, read plus written, both measured here, weft's and PyTorch's better one. The share is that bound over
weft's time.
"""
from check_benchmarks import Benchmarks, median
from check_machine import OutOfTime

CLASSES = 1000
# Net, batch, images a second wanted of one H200. All 3 x 224 x 224.
LARGE = [("resnet50", 256, 7950), ("densenet121", 256, 7500), ("resnet18", 256, 27000), ("googlenet", 256, 24000),
         ("vgg16", 256, 4500), ("alexnet", 256, 67000), ("nin_d2l", 256, 56000)]
SMALL = [("densenet121", 12, None), ("densenet121", 32, None), ("googlenet", 12, None), ("googlenet", 32, None)]
DRY = [("densenet_d2l", 2, 1), ("lenet", 2, None)]
TYPES = {"f16": "float16", "bf16": "bfloat16"}
# Seconds without which a measurement is not begun: of a round, of a compiled net.
ROUND, COMPILED = 12, 40


class Zoo(Benchmarks):
    def __init__(self, machine, rows):
        super().__init__(machine, rows)
        self.roofline = {}
        self.entries = [Entry(self, *row) for row in (DRY if machine.dry else LARGE + SMALL)]

    def run(self):
        begun = []
        try:
            self.rates()
            for entry in self.entries:
                self.spare_time_for(ROUND)
                begun.append(entry)
                entry.rounds()
            for entry in self.entries:
                if not entry.small() and self.has_peer() and not self.machine.dry:
                    self.spare_time_for(COMPILED)
                    entry.compiled()
        except OutOfTime as error:
            self.say_what_is_missing(begun, str(error))
        if self.failures:
            raise RuntimeError(f"{len(self.failures)} measurements failed; the first: {self.failures[0]}")
        return f"{len(self.rows)} nets" + (f"; {self.machine.no_peer}" if self.machine.no_peer else "")

    def has_peer(self):
        return self.machine.has_peer()

    def spare_time_for(self, seconds):
        if not self.machine.dry and self.machine.left() < seconds:
            raise OutOfTime(f"{self.machine.left():.0f} s are left")

    def say_what_is_missing(self, begun, why):
        for entry in self.entries:
            if entry not in begun:
                entry.row["note"] = "its turn did not come"
                self.rows.append(entry.row)
        without = [entry.row["what"] for entry in begun if not entry.small() and "PyTorch compile" not in entry.times]
        failed = f"; {len(self.failures)} failed, the first: {self.failures[0]}" if self.failures else ""
        raise OutOfTime(f"{why}; not begun: {len(self.entries) - len(begun)} of {len(self.entries)} nets; "
                        f"not compiled: {', '.join(without) or 'none'}{failed}")

    def rates(self):
        """F and B of the roofline, in FLOP and bytes a second."""
        self.copies()
        self.rows.clear()
        self.bytes_per_s = 1e9 * self.copy_rate
        n = 16 if self.machine.dry else 8192
        figures = self.candidates_rates("matmul", ["matmul_forward"], "forward", 2.0 * n ** 3,
                                        ["--shape", f"{n}x{n},{n}x{n}", "--dtype", "bf16"])
        theirs = self.theirs(what="matmul", m=n, n=n, k=n, dtype="bf16")
        figures["PyTorch"] = 2e-9 * n ** 3 / theirs["ms"] if theirs else 0
        self.flops_per_s = 1e12 * max(figures.values())
        self.roofline = {"TFLOP/s": self.flops_per_s / 1e12, "GB/s": self.copy_rate}


class Entry:
    """One net at one batch size."""

    def __init__(self, zoo, net, batch, wanted):
        self.zoo, self.machine, self.net, self.batch, self.wanted = zoo, zoo.machine, net, batch, wanted
        tiny = self.machine.dry
        self.channels, self.size, self.classes = (1, 28 if net == "lenet" else 32, 10) if tiny else (3, 224, CLASSES)
        self.times = {}  # who: milliseconds of each round
        self.kernels = None
        self.broken = set()  # types in which weft's step failed: not tried again
        self.row = {"group": "zoo", "what": f"{net} ({batch})", "unit": "images/s", "figures": {}, "target": "",
                    "reached": None}

    def small(self):
        return self.batch < 64 and not self.machine.dry

    def rounds(self):
        self.zoo.rows.append(self.row)
        try:
            for number in range(1 if self.machine.dry else 2):
                for dtype in TYPES:
                    self.ours(dtype, with_kernels=number == 0 and self.kernels is None)
                    self.theirs("eager", dtype)
        finally:
            self.finish()

    def compiled(self):
        try:
            best = min(TYPES, key=lambda dtype: median(self.times.get(f"PyTorch eager {dtype}", [float("inf")])))
            self.theirs("compile", best, seconds=max(COMPILED, 100))
            self.ours("f16"), self.ours("bf16")
        finally:
            self.finish()

    def ours(self, dtype, with_kernels=False):
        if dtype in self.broken:
            return
        if not self.machine.dry and self.machine.left() < ROUND / 2:
            raise OutOfTime(f"{self.machine.left():.0f} s are left")
        words = ["bench", "--model", self.net, "--batch-size", self.batch, "--in-chans", self.channels, "--img-size",
                 self.size, "--num-classes", self.classes, "--momentum", 0.9, "--amp", "--amp-dtype", TYPES[dtype],
                 "--capture", "--device", self.machine.device, "--json"]
        words += ["--steps", 1, "--warm-up", 1] if self.machine.dry else ["--steps", 30, "--warm-up", 5]
        words += ["--auxiliary", "off"] if self.net.startswith("googlenet") else []
        said = self.zoo.ours(*words, *(["--by-kernel"] if with_kernels else []))
        if said is None:
            self.broken.add(dtype)
            return
        self.times.setdefault(f"weft {dtype}", []).append(said["step_ms"])
        self.row["peak_gib"] = said["peak_gib"]
        self.kernels = said.get("kernels", self.kernels)

    def theirs(self, mode, dtype, seconds=60):
        who = f"PyTorch {mode}" + (f" {dtype}" if mode == "eager" else "")
        said = self.zoo.theirs(what="zoo", net=self.net, batch=self.batch, channels=self.channels, size=self.size,
                               classes=self.classes, dtype=dtype, compile=mode == "compile", seconds=seconds)
        if said:
            self.times.setdefault(who, []).append(said["ms"])

    def finish(self):
        """Figures, shares and verdicts from what has been measured so far."""
        rates = {who: 1e3 * self.batch / median(times) for who, times in self.times.items()}
        self.row["figures"] = rates
        ours = max((rate for who, rate in rates.items() if who.startswith("weft")), default=None)
        eager = max((rate for who, rate in rates.items() if who.startswith("PyTorch eager")), default=None)
        self.judge(ours, eager, rates.get("PyTorch compile"))
        if not self.kernels or not ours:
            return
        bound = sum(kernel["calls"] * max(2 * kernel["macs_per_call"] / self.zoo.flops_per_s,
                                          kernel["bytes_per_call"] / self.zoo.bytes_per_s) for kernel in self.kernels)
        self.row["roofline_images_per_s"] = self.batch / bound if bound else None
        self.row["share"] = ours / self.row["roofline_images_per_s"] if bound else None
        self.row["top"] = top_kernels(self.kernels)

    def judge(self, ours, eager, compiled):
        """The targets of an H200; that in images a second says nothing of another GPU."""
        goals = [] if self.wanted is None else [(f"≥ {self.wanted:,}", self.zoo.machine.gpu_is("H200"), self.wanted)]
        goals += [("≥ 3 × eager", eager, eager and 3 * eager)] if self.batch < 64 else [
            ("≥ 1.5 × eager", eager, eager and 1.5 * eager), ("≥ 1.2 × compile", compiled, compiled and 1.2 * compiled)]
        self.row["target"] = ", ".join(text for text, _, _ in goals)
        if self.machine.dry or not ours:
            return
        verdicts = {text: ours >= least for text, known, least in goals if known}
        self.row["verdicts"] = verdicts
        self.row["reached"] = all(verdicts.values()) if verdicts else None


def top_kernels(kernels, count=5):
    """The slots' candidates that take longest: name, calls, ms a step, share of all kernels' time."""
    sums, total = {}, sum(kernel["ms"] for kernel in kernels)
    for kernel in kernels:
        calls, ms = sums.get((kernel["slot"], kernel["candidate"]), (0, 0.0))
        sums[kernel["slot"], kernel["candidate"]] = (calls + kernel["calls"], ms + kernel["ms"])
    longest = sorted(sums.items(), key=lambda item: -item[1][1])[:count]
    return [{"slot": slot, "candidate": candidate, "calls": calls, "ms": ms, "share": ms / total if total else 0}
            for (slot, candidate), (calls, ms) in longest]
