"""The benchmarks of tools/gpu/check: weft and PyTorch, one after another on the same machine, in the same minutes.

A row is {group, what, unit, figures: {who: figure}, target, reached}: who is a candidate of weft's or a mode of
PyTorch's; reached is None where the target cannot be judged. Rates are computed here from shapes, for all in the same
way.
"""
import json

from check_machine import OutOfTime

OURS, CUBLASLT, CUDNN = "cuda", "cublas", "cudnn"  # what the names of their candidates begin with
MATMULS = [(8192, 8192, 8192, "bf16"), (4096, 4096, 4096, "bf16"), (4096, 4096, 4096, "f16"),
           (2048, 2048, 2048, "bf16"), (4096, 1000, 2048, "bf16"), (256, 120, 400, "bf16"), (4096, 4096, 4096, "f32")]
# n, c, h, k, r, stride, padding: of the residual nets, and LeNet's second layer.
CONVOLUTIONS = [(256, 64, 56, 64, 3, 1, 1), (256, 128, 28, 128, 3, 1, 1), (256, 256, 14, 256, 3, 1, 1),
                (256, 512, 7, 512, 3, 1, 1), (256, 64, 56, 256, 1, 1, 0), (256, 3, 224, 64, 7, 2, 3),
                (256, 6, 14, 16, 5, 1, 0)]
# op, shape, dtype, passes over memory of x's size, share of the copy's bandwidth it should reach.
STREAMS = [("add", (16384, 8192), "f32", 3, 0.90), ("relu", (16384, 8192), "f32", 2, 0.90),
           ("exp", (16384, 8192), "bf16", 2, 0.90), ("softmax", (65536, 1024), "f32", 2, 0.85),
           ("sum", (16384, 8192), "f32", 1, 0.85)]
BYTES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2}


def median(values):
    return sorted(values)[len(values) // 2]


class Benchmarks:
    def __init__(self, machine, rows):
        self.machine, self.rows, self.failures, self.listed = machine, rows, [], None

    def run(self):
        late = []
        # The quick ones first: products and convolutions take what time there is.
        for work in (self.copies, self.steps, self.dispatch, self.streams, self.matmuls, self.convolutions):
            try:
                work()
            except OutOfTime as error:
                late.append(f"{work.__name__}: {error}")
        if late:
            raise OutOfTime("; ".join(late)[:600])
        if self.failures:
            raise RuntimeError(f"{len(self.failures)} measurements failed; the first: {self.failures[0]}")
        return f"{len(self.rows)} rows" + (f"; {self.machine.no_peer}" if self.machine.no_peer else "")

    # --- asking ------------------------------------------------------------------------------------------------------

    def ours(self, *words, program="weft"):
        """weft's JSON, or None with the failure noted."""
        try:
            return json.loads(self.machine.run([self.machine.program(program), *words], 60))
        except (RuntimeError, ValueError) as error:
            self.failures.append(f"{' '.join(map(str, words))}: {error}")
            return None

    def theirs(self, seconds=60, **request):
        """PyTorch's answer, or None where there is no PyTorch or it failed."""
        if not self.machine.has_peer():
            return None
        answer = self.machine.ask(request, seconds)
        if "error" in answer:
            self.failures.append(f"PyTorch, {request}: {answer['error']}")
            return None
        return answer

    def candidates_of(self, op, slot):
        if self.listed is None:
            self.listed = self.ours("op", "--list", "--json", "--device", self.machine.device) or []
        return next((entry["candidates"].get(slot, []) for entry in self.listed if entry["name"] == op), [])

    def row(self, group, what, unit, figures, target="", reached=None):
        figures = {who: figure for who, figure in figures.items() if figure is not None}
        self.rows.append({"group": group, "what": what, "unit": unit, "figures": figures, "target": target,
                          "reached": None if self.machine.dry else reached})

    # --- groups ------------------------------------------------------------------------------------------------------

    def copies(self):
        mebibytes = 1 if self.machine.dry else 1024
        ours = self.ours("bench", "--device", self.machine.device, "--copy", mebibytes, "--json")
        theirs = self.theirs(what="copy", bytes=mebibytes << 20)
        figures = {"weft": ours and ours["gbytes_per_s"], "PyTorch": theirs and 2e-6 * (mebibytes << 20) / theirs["ms"]}
        self.row("copy", f"{mebibytes} MiB within the device", "GB/s", figures)
        self.copy_rate = max((figure for figure in figures.values() if figure), default=0)

    def steps(self):
        """Steps per second, in rounds of all kinds one after another."""
        batch, steps, rounds = (4, 10, 1) if self.machine.dry else (256, 300, 3)
        for net in ("lenet", "mlp"):
            found = {}
            for _ in range(rounds):
                for name, more in (("weft", []), ("weft, captured", ["--capture"])):
                    said = self.ours("bench", "--model", net, "--batch-size", batch, "--steps", steps, "--warm-up",
                                     1 if self.machine.dry else 20, "--device", self.machine.device, "--json", *more)
                    found.setdefault(name, []).append(said and 1e3 / said["step_ms"])
                for mode in ("eager", "channels_last_bf16", "compile"):
                    if mode == "compile" and (self.machine.dry or len(found.get("PyTorch compile", [])) > 0):
                        continue  # compiling takes its time; once will do
                    said = self.theirs(what="step", net=net, batch=batch, mode=mode)
                    found.setdefault(f"PyTorch {mode}", []).append(said and 1e3 / said["ms"])
            figures = {who: median(values) if None not in values else None for who, values in found.items()}
            captured, eager = figures.get("weft, captured"), figures.get("PyTorch eager")
            lenet = net == "lenet"
            self.row("training step", f"{net}, batch {batch}", "steps/s", figures,
                     "captured ≥ 5 × PyTorch eager" if lenet else "",
                     captured >= 5 * eager if lenet and captured and eager else None)

    def candidates_rates(self, op, slots, part, flops, words):
        """Rates with one candidate in all of the slots, for those that all of them have."""
        figures = {}
        first, *others = [self.candidates_of(op, slot) for slot in slots]
        for candidate in [name for name in first if all(name in names for names in others)] or [""]:
            forced = ["--kernel", candidate] if candidate else []
            try:
                said = json.loads(self.machine.weft("op", op, *words, *forced, "--device", self.machine.device,
                                                    "--repeat", 1 if self.machine.dry else 10, "--json", seconds=30))
                figures[candidate or "weft"] = 1e-9 * flops / said[part]["ms"]
            except RuntimeError as error:
                if "refuses" not in str(error):
                    self.failures.append(f"{op} {candidate}: {error}")
        return figures

    def judge(self, figures, library):
        """Whether our best reaches 60 % of the library's best."""
        ours = [figure for who, figure in figures.items() if who.split(".")[0] == OURS]
        theirs = [figure for who, figure in figures.items() if who.split(".")[0] == library]
        return max(ours) >= 0.6 * max(theirs) if ours and theirs else None

    def matmuls(self):
        for m, n, k, dtype in [(16, 24, 32, "bf16")] if self.machine.dry else MATMULS:
            flops = 2.0 * m * n * k
            figures = self.candidates_rates("matmul", ["matmul_forward"], "forward", flops,
                                            ["--shape", f"{m}x{k},{k}x{n}", "--dtype", dtype])
            theirs = self.theirs(what="matmul", m=m, n=n, k=k, dtype=dtype)
            figures["PyTorch"] = theirs and 1e-9 * flops / theirs["ms"]
            judged = dtype == "bf16" and m * n * k >= 2048 ** 3
            self.row("matmul", f"{m}×{k} · {k}×{n} {dtype}", "TFLOP/s", figures,
                     "ours ≥ 60 % of cuBLASLt" if judged else "", self.judge(figures, CUBLASLT) if judged else None)

    def convolutions(self):
        for n, c, h, k, r, stride, padding in [(2, 8, 8, 16, 3, 1, 1)] if self.machine.dry else CONVOLUTIONS:
            out = (h + 2 * padding - r) // stride + 1
            flops = 2.0 * n * k * out * out * c * r * r
            words = ["--shape", f"{n}x{c}x{h}x{h},{k}x{c}x{r}x{r},{k}", "--attr", f"stride={stride},{stride}", "--attr",
                     f"padding={padding},{padding}", "--dtype", "bf16", "--format", "channels-last"]
            theirs = self.theirs(what="conv2d", n=n, c=c, h=h, k=k, r=r, stride=stride, padding=padding, dtype="bf16")
            what = f"{n}×{c}×{h}×{h}, {k} of {r}×{r}/{stride} bf16"
            judged = c % 8 == 0
            for part, slots in (("forward", ["conv2d_forward"]),
                                ("backward", ["conv2d_backward_data", "conv2d_backward_weight"])):
                work = flops * len(slots)
                grad = ["--grad", "ones"] if part == "backward" else []
                figures = self.candidates_rates("conv2d", slots, part, work, words + grad)
                figures["PyTorch"] = theirs and 1e-9 * work / theirs["ms" if part == "forward" else "backward_ms"]
                self.row("conv2d", f"{what}, {part}", "TFLOP/s", figures,
                         "ours ≥ 60 % of cuDNN" if judged else "", self.judge(figures, CUDNN) if judged else None)

    def streams(self):
        for op, shape, dtype, passes, share in STREAMS:
            if self.machine.dry:
                shape = (4, 8)
            text = "x".join(map(str, shape))
            inputs = ",".join([text] * (2 if op == "add" else 1))
            words = ["op", op, "--shape", inputs, "--dtype", dtype, "--device", self.machine.device, "--repeat",
                     1 if self.machine.dry else 10, "--json"]
            words += {"softmax": ["--attr", "axis=1"], "sum": ["--attr", "axes=1"]}.get(op, [])
            ours = self.ours(*words)
            theirs = self.theirs(what="op", name=op, shape=shape, dtype=dtype)
            gigabytes = 1e-6 * passes * BYTES[dtype] * shape[0] * shape[1]
            figures = {"weft": ours and gigabytes / ours["forward"]["ms"],
                       "PyTorch": theirs and gigabytes / theirs["ms"]}
            known = figures["weft"] and self.copy_rate
            self.row("memory", f"{op} {text} {dtype}", "GB/s", figures, f"≥ {100 * share:.0f} % of the copy's",
                     figures["weft"] >= share * self.copy_rate if known else None)

    def dispatch(self):
        ours = self.ours(self.machine.device, program="weft_bench_dispatch")
        theirs = self.theirs(what="dispatch")
        figures = {"weft": ours and ours["add_ns"] / 1e3, "PyTorch": theirs and theirs["add_ns"] / 1e3}
        self.row("dispatch", "add on 1 element, the host's time", "µs", figures, "≤ 1 µs",
                 figures["weft"] <= 1 if figures["weft"] else None)
