#!/usr/bin/env python3
"""Holds the tree to its budgets and to the arrows between its rooms. Prints one line per finding, exits 1 with any.

Budgets: file <= 600 lines, function <= 60, line <= 120 columns, function-like macros <= 3 in the tree, no open to-do
marks. Arrows: what a room may include. Headers: open with a comment, are included once, and show users nothing but
the standard library and each other.
"""
import pathlib
import re
import subprocess
import sys

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
MAX_COLUMNS = 120
MAX_FUNCTION_MACROS = 3

SOURCE_SUFFIXES = {".h", ".cc", ".cu", ".cuh"}
CODE_SUFFIXES = SOURCE_SUFFIXES | {".py", ".sh", ".cmake"}
PUBLIC_ROOMS = {"core", "nn", "optim", "data", "train", "models"}
# Which rooms each room may include; rooms that are not named here may include all.
ARROWS = {
    "core": {"core"},
    "kernels": {"core", "kernels"},
    "nn": {"core", "nn"},
    "models": {"core", "nn", "models"},
    "optim": {"core", "optim"},
    "data": {"core", "data"},
    "train": {"core", "nn", "optim", "data", "models", "train"},
}
OUTSIDE = "tests/consumer/program/"  # a user's program, a root of its own
ROOMS = set(ARROWS) | {"tools", "tests", "examples"}


def tracked_files(root):
    """All files git knows of or would add; without git, all files outside build folders."""
    try:
        names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, check=True,
                               capture_output=True, text=True).stdout.splitlines()
        paths = [root / name for name in names]
    except (OSError, subprocess.CalledProcessError):
        paths = [p for p in root.rglob("*") if not re.match(r"(build|\.git)", str(p.relative_to(root)))]
    return sorted(p for p in paths if p.is_file())


def is_code(path):
    if path.suffix in CODE_SUFFIXES or path.name == "CMakeLists.txt":
        return True
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def without_text(source):
    """The source with comments and literals blanked out, line breaks kept."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), source)


def head_kind(head):
    """What a brace opens, told from the text before it: a namespace, a type, a function or anything else."""
    if re.search(r"\bnamespace\b", head) or re.fullmatch(r'\s*extern\s*', head):
        return "scope"
    flat = head
    while True:
        smaller = re.sub(r"\([^()]*\)|<[^<>()]*>|\[[^\[\]]*\]", "@", flat)
        if smaller == flat:
            break
        flat = smaller
    if re.search(r"\b(class|struct|union|enum|concept)\b", flat) and "=" not in flat:
        return "scope"
    if re.search(r"@\s*(mutable|const|noexcept|override|final|->.*|:.*|requires.*|&+|try|\s)*$", flat, re.S):
        return "function"
    return "other"


def functions(source):
    """(first line, lines) of each outermost function body, lambdas in initialisers included."""
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), without_text(source),
                  flags=re.M)
    stack, head_start, found = [], 0, []
    for at, char in enumerate(text):
        inside = any(kind == "function" for kind, _ in stack)
        if char == "{":
            head = text[head_start:at]
            kind = "other" if inside else head_kind(head)
            start = head_start + len(head) - len(head.lstrip())
            stack.append((kind, start))
            head_start = at + 1
        elif char == "}" and stack:
            kind, start = stack.pop()
            if kind == "function":
                found.append((text.count("\n", 0, start) + 1, text.count("\n", start, at) + 1))
            head_start = at + 1
        elif char == ";" or (char == "," and stack and stack[-1][0] == "other"):
            head_start = at + 1
    return found


def check_lines(name, lines, report):
    if len(lines) > MAX_FILE_LINES:
        report(name, 1, f"{len(lines)} lines, at most {MAX_FILE_LINES}")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            report(name, number, f"{len(line)} columns, at most {MAX_COLUMNS}")
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
            report(name, number, "an open to-do mark")
        if line != line.rstrip():
            report(name, number, "blanks at the end of the line")


def check_includes(name, lines, report):
    room = name.split("/")[0]
    public_header = name.endswith(".h") and room in PUBLIC_ROOMS
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not match:
            continue
        quoted, target = match.group(1) == '"', match.group(2)
        target_room = target.split("/")[0]
        if quoted and target_room not in ROOMS:
            report(name, number, f'"{target}": includes are root-relative and quoted only for our own files')
        if quoted and target_room in ROOMS and target_room not in ARROWS.get(room, ROOMS):
            report(name, number, f"{room} may not include {target_room}")
        if public_header and not quoted and not re.fullmatch(r"[a-z_0-9]+", target):
            report(name, number, f"<{target}>: a public header shows no other library")


def check_header(name, lines, report):
    if not lines or not lines[0].startswith("//"):
        report(name, 1, "a header opens with a comment: what it is for, what it refuses")
    if "#pragma once" not in lines:
        report(name, 1, "no #pragma once")


def check_tree(root):
    findings, macros = [], []

    def report(name, line, what):
        findings.append(f"{name}:{line}: {what}")

    for path in tracked_files(root):
        name = path.relative_to(root).as_posix()
        if not is_code(path):
            continue
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines()
        check_lines(name, lines, report)
        if path.suffix not in SOURCE_SUFFIXES:
            continue
        if not name.startswith(OUTSIDE):
            check_includes(name, lines, report)
        if path.suffix in {".h", ".cuh"}:
            check_header(name, lines, report)
        for first, count in functions(source):
            if count > MAX_FUNCTION_LINES:
                report(name, first, f"a function of {count} lines, at most {MAX_FUNCTION_LINES}")
        macros += [f"{name}:{n}" for n, line in enumerate(lines, 1) if re.match(r"\s*#\s*define\s+\w+\(", line)]
    if len(macros) > MAX_FUNCTION_MACROS:
        findings.append(f"{len(macros)} function-like macros, at most {MAX_FUNCTION_MACROS}: {', '.join(macros)}")
    return findings


if __name__ == "__main__":
    tree = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    result = check_tree(tree)
    print("\n".join(result) if result else "style: nothing to say")
    sys.exit(1 if result else 0)
