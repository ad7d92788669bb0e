#!/usr/bin/env python3
"""A user's program builds and runs against weft, and weft's kernels are all there.

consumer_test.py HOW SOURCE BUILD WORK [CMAKE ARGUMENT...]
  installed     weft is installed from BUILD, the installation is moved, the program finds it with find_package; the
                installation has at most 60 MB
  subdirectory  the program takes SOURCE in with add_subdirectory, as a static library
  static        that static weft is installed, moved, and found with find_package
The program lists the kernels; static ways must list what the shared one does. WORK keeps what was built.
"""
import pathlib
import shutil
import subprocess
import sys

LARGEST_INSTALLATION_MB = 60


def run(*command):
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout}\nfailed with {result.returncode}")
    return result.stdout


def build_program(source, folder, arguments):
    """Builds the program in the folder and returns what it prints."""
    run("cmake", "-S", source / "tests/consumer/program", "-B", folder, "-G", "Ninja", *arguments)
    run("cmake", "--build", folder, "--target", "consumer")
    programs = [path for path in (folder / "consumer", folder / "bin/consumer") if path.exists()]
    return run(programs[0])


def install_and_move(build, work, name):
    """Installs a build, then moves the installation, so that nothing may depend on where it was made."""
    first, second = work / f"{name}-before", work / f"{name}-installed"
    for folder in (first, second):
        shutil.rmtree(folder, ignore_errors=True)
    run("cmake", "--install", build, "--prefix", first)
    first.rename(second)
    return second


def check_size(prefix):
    """What weft installs, without the libraries of others."""
    files = [path for path in prefix.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"installed: {len(files)} files, {size:.1f} MB")
    if size > LARGEST_INSTALLATION_MB:
        largest = sorted(files, key=lambda path: -path.stat().st_size)[:5]
        sys.exit(f"more than {LARGEST_INSTALLATION_MB} MB; the largest: {', '.join(map(str, largest))}")


def check_installed_program(prefix):
    program = prefix / "bin/weft"
    if program.exists():
        run(program, "--version")


def main():
    how, source, build, work, *arguments = sys.argv[1:]
    source, build, work = pathlib.Path(source), pathlib.Path(build), pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    if how == "installed":
        prefix = install_and_move(build, work, "shared")
        check_size(prefix)
        check_installed_program(prefix)
        kernels = build_program(source, work / how, [f"-DCMAKE_PREFIX_PATH={prefix}", *arguments])
        (work / "kernels.txt").write_text(kernels)
    elif how == "subdirectory":
        kernels = build_program(source, work / how, [f"-DWEFT_SOURCE={source}", "-DBUILD_SHARED_LIBS=OFF",
                                                     "-DWEFT_EMULATED=ON", "-DWEFT_CUDA=OFF", "-DWEFT_INSTALL=ON",
                                                     *arguments])
    else:
        run("cmake", "--build", work / "subdirectory", "--target", "weft_headers", "weft_archive")
        prefix = install_and_move(work / "subdirectory/weft", work, "static")
        kernels = build_program(source, work / how, [f"-DCMAKE_PREFIX_PATH={prefix}", *arguments])
    wanted = (work / "kernels.txt").read_text()
    if kernels != wanted or not kernels:
        sys.exit(f"the shared library registers\n{wanted}\nthis one\n{kernels}")
    print(f"{how}: {len(kernels.splitlines())} slots have their kernels")


if __name__ == "__main__":
    main()
