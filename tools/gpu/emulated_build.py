"""Rebuilds the emulated CUDA module with changed sources, beside a build folder that is left as it is.

An EmulatedBuild takes compile commands and all objects it can from the build folder; only kernels that a changed file
concerns are compiled. The result lies in a folder of its own with copies of weft and libweft.so, which looks for its
modules beside itself; a build that goes on meanwhile does no harm. Used by tools/gpu/mutate and
tests/emulated/mutants_test.py.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shlex
import shutil
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


class Failed(Exception):
    """A source does not compile, or the module does not link."""


class Outcome:
    """How a run of weft ended. how: "passed", "wrong" (a failure line came), "crash", "timeout"."""

    def __init__(self, how, text="", cpu_seconds=0.0):
        self.how, self.text, self.cpu_seconds = how, text, cpu_seconds

    @property
    def caught(self):
        return self.how != "passed"


class EmulatedBuild:
    def __init__(self, build, folder, options=("-O1", "-w")):
        """build: a configured and built folder; folder: where changed sources, objects and the module go."""
        self.build, self.folder = pathlib.Path(build).resolve(), pathlib.Path(folder).resolve()
        self.options = list(options)
        self.sources, self.objects = self.folder / "sources", self.folder / "objects"
        shutil.rmtree(self.folder, ignore_errors=True)
        for place in (self.sources, self.objects):
            place.mkdir(parents=True)
        self.commands = self._commands()
        self.changed = {}
        for library in (self.build / "lib").glob("libweft.so*"):
            shutil.copy2(library, self.folder / library.name, follow_symlinks=False)
        shutil.copy2(self.build / "bin/weft", self.folder / "weft")

    def _commands(self):
        """The compile command of each kernel of the emulated module, by its path in the tree."""
        found = {}
        for entry in json.loads((self.build / "compile_commands.json").read_text()):
            words = shlex.split(entry["command"])
            file = pathlib.Path(entry["file"]).resolve()
            if "-DWEFT_CUDA_BUILD=emulated" in words and file.is_relative_to(ROOT / "kernels"):
                name = file.relative_to(ROOT).as_posix()
                output = pathlib.Path(entry["directory"]) / words[words.index("-o") + 1]
                found[name] = (words, pathlib.Path(entry["directory"]), output)
        if not found:
            raise Failed(f"{self.build} has no emulated module; configure it with -DWEFT_EMULATED=ON")
        return found

    @property
    def sanitized(self):
        return any(word.startswith("-fsanitize") for words, _, _ in self.commands.values() for word in words)

    def change(self, name, text):
        """Takes this text in place of the tree's file `name`. #line keeps reported places right."""
        self.changed[name] = text
        path = self.sources / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#line 1 "{name}"\n{text}')

    def concerned(self):
        """The sources that are, or include, a changed file."""
        memo = {}

        def reaches(name):
            if name not in memo:
                memo[name] = name in self.changed
                path = ROOT / name
                if not memo[name] and path.exists():
                    memo[name] = any(reaches(other) for other in INCLUDE.findall(path.read_text()))
            return memo[name]

        return [name for name in self.commands if reaches(name)]

    def _object(self, name):
        return self.objects / (name.replace("/", "_") + ".o")

    def _compile(self, name):
        words, directory, _ = self.commands[name]
        words = list(words)
        words[words.index("-o") + 1] = str(self._object(name))
        if name in self.changed:
            words[words.index("-c") + 1] = str(self.sources / name)
        words[1:1] = ["-iquote", str(self.sources)]
        if shutil.which("ccache"):
            words.insert(0, "ccache")
        done = subprocess.run(words + self.options, cwd=directory, capture_output=True, text=True)
        return name, done.returncode == 0, done.stderr

    def compile(self, jobs=2, only=None):
        """Compiles what the changes concern; {source: the compiler's words} of what fails."""
        names = self.concerned() if only is None else only
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            return {name: words for name, good, words in pool.map(self._compile, names) if not good}

    def link(self):
        """The module over the new objects and, for all else, the build folder's."""
        objects = [str(self._object(name) if self._object(name).exists() else kept)
                   for name, (_, _, kept) in self.commands.items()]
        words = next(iter(self.commands.values()))[0]
        sanitize = [word for word in words if word.startswith("-fsanitize")]
        command = [words[0], "-shared", "-fPIC", "-o", str(self.folder / "libweft_cuda_emulated.so"), *sanitize,
                   *objects, f"-L{self.build / 'lib'}", "-lweft", f"-Wl,-rpath,{self.folder}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(done.stderr.strip()[-2000:])

    def link_tests(self):
        """The test program emulated_tests, which holds the module, over the new objects; None where it is not built."""
        if not (self.build / "bin/emulated_tests").exists():
            return None
        done = subprocess.run(["ninja", "-C", self.build, "-t", "commands", "emulated_tests"], capture_output=True,
                              text=True)
        words = shlex.split(done.stdout.strip().splitlines()[-1].split(" && ")[1])
        kept = {str(path): name for name, (_, _, path) in self.commands.items()}
        for i, word in enumerate(words):
            name = kept.get(str(self.build / word))
            if name and self._object(name).exists():
                words[i] = str(self._object(name))
        program = self.folder / "emulated_tests"
        words[words.index("-o") + 1] = str(program)
        done = subprocess.run(words, cwd=self.build, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(done.stderr.strip()[-2000:])
        return program

    def run(self, arguments, environment=None, cpu_seconds=60, to_the_end=False):
        """weft with this module. Ends at the first line on its output that is not a summary, unless to_the_end."""
        env = dict(os.environ, LD_LIBRARY_PATH=str(self.folder), OMP_NUM_THREADS="1", **(environment or {}))
        env["ASAN_OPTIONS"] = "allocator_may_return_null=1:detect_leaks=0"
        program = arguments[0] if str(arguments[0]).startswith("/") else self.folder / arguments[0]

        def limit():
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds) + 1, int(cpu_seconds) + 2))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        process = subprocess.Popen([str(program), *map(str, arguments[1:])], env=env, cwd=ROOT, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=limit, errors="replace")
        said = []
        reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
        reader.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            if not to_the_end and not line.startswith("selftest on "):
                process.kill()
                break
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        reader.join()
        text = "".join(lines) + (said[0] if said else "")
        if "backend cannot be loaded" in text:
            raise Failed(text.strip())
        cpu = usage.ru_utime + usage.ru_stime
        return Outcome(self._verdict(process.returncode, lines, cpu, cpu_seconds), text, cpu)

    @staticmethod
    def _verdict(code, lines, cpu, cpu_seconds):
        if code == 0:
            return "passed"
        if code < 0 and cpu >= cpu_seconds:
            return "timeout"
        if any(not line.startswith("selftest on ") for line in lines):
            return "wrong"
        return "crash"
