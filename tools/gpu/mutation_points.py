"""Finds the places of the CUDA sources that can be mutated, and writes the sources with all their mutants in place.

Kinds: a barrier or a wait for copies that goes missing, a bounds check (in an if or a choice) widened by one, and `<`
become `<=` in a loop. Only device code: bodies of functions marked __device__ or __global__. clang-format keeps blanks
around comparisons and none around template brackets, which is how the two are told apart.
"""
import re

CALLS = {
    "barrier": re.compile(r"\b(__syncthreads|__syncwarp)\s*(?=\()"),
    "wait": re.compile(r"\b(wait_for_copies)\s*(?=[(<])"),
}
COMPARISON = re.compile(r"(?<= )(<=|>=|<|>)(?= |\n)")
DEVICE = re.compile(r"\b__(?:device|global)__\b")
OPERATORS = {"<": ("Less", "<="), "<=": ("LessEqual", "<= … + 1"), ">": ("Greater", ">="), ">=": ("GreaterEqual", ">")}


class Point:
    """One mutation: where it stands, and what it does in words."""

    def __init__(self, file, source, begin, end, kind, change, replacement):
        self.file, self.begin, self.end, self.kind, self.replacement = file, begin, end, kind, replacement
        self.line = source.count("\n", 0, begin) + 1
        self.text = source.splitlines()[self.line - 1].strip()
        column = begin - (source.rfind("\n", 0, begin) + 1)
        before = source.splitlines()[self.line - 1][:column]
        nth = len(COMPARISON.findall(before + " ")) + 1
        self.change = change if kind in CALLS else f"comparison {nth}: {change}"
        self.number = -1

    def key(self):
        return self.file, self.text, self.change

    def __str__(self):
        return f"{self.file}:{self.line}: {self.change}: {self.text}"


def without_text(source):
    """The source with comments, literals and directives blanked out, all else at its place."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    source = re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])*\'', blank, source,
                    flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, source, flags=re.M)


def closing(text, at, pair):
    """The place behind the bracket that closes the one at `at`."""
    depth = 0
    while at < len(text):
        depth += (text[at] == pair[0]) - (text[at] == pair[1])
        at += 1
        if depth == 0:
            return at
    return at


def device_bodies(text):
    """(begin, end) of each outermost body of device code."""
    bodies, last = [], 0
    for mark in DEVICE.finditer(text):
        if mark.start() < last:
            continue
        at = mark.end()
        while at < len(text) and text[at] not in "{;":
            at = closing(text, at, "()") if text[at] == "(" else at + 1
        if at < len(text) and text[at] == "{":
            last = closing(text, at, "{}")
            bodies.append((at, last))
    return bodies


def statement_of(text, at):
    begin = max(text.rfind(mark, 0, at) for mark in ";{}") + 1
    while text.count("(", begin, at) < text.count(")", begin, at) and begin > 0:  # inside a for's header
        begin = max(text.rfind(mark, 0, begin - 1) for mark in ";{}") + 1
    return text[begin:at]


def in_loop_header(text, at):
    """Whether the place lies in the brackets of a for or while."""
    depth = 0
    for i in range(at - 1, max(0, at - 2000), -1):
        depth += (text[i] == ")") - (text[i] == "(")
        if depth < 0:
            return re.search(r"\b(for|while)\s*$", text[:i]) is not None
        if text[i] in "{}":
            return False
    return False


def find_points(file, source):
    text, points = without_text(source), []
    for begin, end in device_bodies(text):
        for kind, pattern in CALLS.items():
            for match in pattern.finditer(text, begin, end):
                at = closing(text, match.end(), "<>") if text[match.end()] == "<" else match.end()
                stop = closing(text, at, "()")
                call = source[match.start():stop]
                points.append(Point(file, source, match.start(), stop, kind, f"no {call}",
                                    "(::weft_mutation::alive({}) ? void() : void(" + call.replace("{", "{{")
                                    .replace("}", "}}") + "))"))
        for match in COMPARISON.finditer(text, begin, end):
            if re.search(r"\b(constexpr|static_assert|requires|template)\b", statement_of(text, match.start())):
                continue
            sign, loop = match.group(1), in_loop_header(text, match.start())
            name, becomes = OPERATORS[sign]
            if sign == ">=" and re.match(r"\s*0\b(?![.x])", text[match.end():]):
                name, becomes = "NotNegative", ">= -1 +"
            kind = "swap" if loop and sign == "<" else "widen"
            points.append(Point(file, source, match.start(), match.end(), kind, f"{sign} becomes {becomes}",
                                "< ::weft_mutation::" + name + "{{{}}} >"))
    return sorted(points, key=lambda point: point.begin)


def with_mutants(source, points):
    """The source in which each point's mutant can be chosen at run time; line numbers stay."""
    out, last = [], 0
    for point in points:
        out += [source[last:point.begin], point.replacement.format(point.number)]
        last = point.end
    return '#include "tools/gpu/mutation.h"\n#line 1 "' + points[0].file + '"\n' + "".join(out) + source[last:]
