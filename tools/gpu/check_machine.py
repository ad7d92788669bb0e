"""What tools/gpu/check runs: weft's programs, NVIDIA's tools, and PyTorch as a process that answers questions.

Every command has a time limit and is ended with all its children when it passes. Paths work in a bundle (bin/, lib/,
gpu/, data/) and in the source tree with a build folder.
"""
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = ("/usr/local/cuda/bin",)  # where NVIDIA's tools are when they are not on the PATH


class NotHere(Exception):
    """A tool or library that this machine does not have."""


class OutOfTime(Exception):
    """A part, or a command of it, was not done in time."""


class Machine:
    def __init__(self, options):
        self.device, self.dry = options.device, options.dry_run
        self.begin = time.monotonic()
        self.until = self.begin + 60
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="weft-check-"))
        bundled = HERE.parent / "bin"
        self.programs = pathlib.Path(options.programs) if options.programs else (
            bundled if bundled.exists() else HERE.parents[1] / "build/bin")
        self.environment = dict(os.environ)
        self.environment["PATH"] = os.pathsep.join([self.environment.get("PATH", ""), *TOOLS])
        data = HERE.parent / "data"
        if data.exists() and "WEFT_DATA_DIR" not in os.environ:
            self.environment["WEFT_DATA_DIR"] = str(data)
        self._use_own_cpp_library()
        self.peer = Peer(options, self.environment)
        self.no_peer = ""
        self.gpu = ""  # its name, once the facts are known

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.peer.end()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _use_own_cpp_library(self):
        """A bundle carries its C++ library apart: it is used only where the machine's is too old to start weft."""
        spare = HERE.parent / "lib/spare"
        if not spare.exists():
            return
        done = subprocess.run([self.program("weft"), "--version"], capture_output=True, text=True, env=self.environment)
        if done.returncode != 0 and "GLIBCXX" in done.stderr:
            self.environment["LD_LIBRARY_PATH"] = f"{spare}:{self.environment.get('LD_LIBRARY_PATH', '')}"

    def left(self):
        """Seconds until this part has to be done."""
        return self.until - time.monotonic()

    def program(self, name):
        return str(self.programs / name)

    def run(self, words, seconds, may_fail=False):
        """What a command says. Its time is the part's, where that is less: only then is a late one OutOfTime; else it
        has failed alone."""
        words = [str(word) for word in words]
        if not os.path.isabs(words[0]) and not shutil.which(words[0], path=self.environment["PATH"]):
            raise NotHere(f"{words[0]} is not on this machine")
        seconds = min(seconds, self.left())
        if seconds <= 0:
            raise OutOfTime(f"no time is left for {' '.join(words[:3])}")
        process = subprocess.Popen(words, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, errors="replace", start_new_session=True)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            late = OutOfTime if self.left() <= 0 else RuntimeError
            error = late(f"{' '.join(words[:6])} was not done in {seconds:.0f} s; it had said: "
                         f"{(out + err)[-300:].strip()}")
            error.output = out + err
            raise error from None
        if process.returncode != 0 and not may_fail:
            raise RuntimeError(f"{' '.join(words[:8])} exits with {process.returncode}: {(err or out).strip()[-400:]}")
        return out if process.returncode == 0 else out + err

    def weft(self, *words, seconds, may_fail=False):
        return self.run([self.program("weft"), *words], seconds, may_fail)

    def gpu_is(self, name):
        return name in self.gpu

    def has_peer(self):
        if not self.no_peer and not self.peer.started():
            self.no_peer = self.peer.why or "PyTorch did not start"
        return not self.no_peer

    def ask(self, request, seconds=60):
        """The peer's answer; an {"error": …} where it has none."""
        return self.peer.ask(request, max(1.0, min(seconds, self.left())))


class Peer:
    """PyTorch in a process of its own; started when first asked, started again after a question it died of."""

    def __init__(self, options, environment):
        self.script = next((place for place in (HERE / "torch_gpu_peer.py",
                                                HERE.parent / "bench/torch_gpu_peer.py") if place.exists()), None)
        device = options.device if options.device.startswith("cuda") else "cpu"
        self.words = [options.python, str(self.script), "--device", device]
        if options.dry_run:
            self.words += ["--seconds", "0.01"]
        self.environment, self.process, self.why, self.lines = environment, None, "", None

    def started(self):
        if self.process and self.process.poll() is None:
            return True
        if self.why:
            return False
        self.process = subprocess.Popen(self.words, env=self.environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        start_new_session=True)
        self.lines = queue.Queue()
        for pipe in (self.process.stdout, self.process.stderr):
            threading.Thread(target=self._read, args=(pipe, pipe is self.process.stdout), daemon=True).start()
        try:
            self._answer(120)  # the first import of PyTorch on a fresh machine reads gigabytes
            return True
        except (queue.Empty, ValueError) as error:
            self.why = f"PyTorch does not start: {self.last_words or type(error).__name__}"
            self.end()
            return False

    last_words = ""

    def _read(self, pipe, answers):
        for line in pipe:
            if answers:
                self.lines.put(line)
            else:
                self.last_words = line.strip() or self.last_words
        if answers:
            self.lines.put("")  # the end

    def _answer(self, seconds):
        return json.loads(self.lines.get(timeout=seconds))

    def ask(self, request, seconds):
        if not self.started():
            return {"error": self.why}
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            return self._answer(seconds)
        except (queue.Empty, ValueError, OSError) as error:
            self.end()
            return {"error": f"no answer in {seconds:.0f} s ({type(error).__name__}) {self.last_words}"[:300]}

    def end(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
