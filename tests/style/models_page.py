#!/usr/bin/env python3
"""Fills the columns "accuracy seen" and "speed seen" of docs/models.md with what docs/results.md and docs/benchmarks.md
hold, and nothing else; with --check, only says whether the page is current.
"""
import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
# The heading of docs/results.md that tells of a net's training.
HEADINGS = {"lenet": "LeNet", "bn_lenet": "LeNet with batch norm", "mlp": "MLP", "softmax_regression":
            "Softmax regression"}
# Rows of the page that stand for several nets, by the first.
GROUPS = {"vgg11_d2l": ["vgg11_d2l", "vgg11_d2l_quarter", "vgg16_d2l", "vgg19_d2l"],
          "vgg11": ["vgg11", "vgg13", "vgg16", "vgg19"], "inception_v4": ["inception_v4", "inception_resnet_v2"],
          "resnet18": ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"],
          "densenet121": ["densenet121", "densenet161", "densenet169", "densenet201"]}
ACCURACY, SPEED = "accuracy seen", "speed seen"


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(text):
    """Each table of a page as a list of its lines' cells, the header first, the rule left out."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        lines = block.splitlines()
        yield [cells(line) for i, line in enumerate(lines) if i != 1]


def accuracies():
    """{net: "best of .80 to .82 in 3 runs"} from the column "best test" of the net's table."""
    found = {}
    sections = re.split(r"^## ", (DOCS / "results.md").read_text(encoding="utf-8"), flags=re.M)
    for net, heading in HEADINGS.items():
        section = next(part for part in sections if part.startswith(heading + "\n"))
        header, *rows = next(tables(section))
        column = header.index("best test")
        best = sorted(float(row[column]) for row in rows if not row[0].startswith("book"))
        span = f"{100 * best[0]:.1f}" + (f" to {100 * best[-1]:.1f}" if best[-1] > best[0] else "")
        found[net] = f"{span} % on Fashion-MNIST, {len(best)} runs"
    return found


def speeds():
    """{net: "314 ms (32)"} from the zoo's table: weft's training step on the CPU and its batch."""
    found = {}
    for header, *rows in tables((DOCS / "benchmarks.md").read_text(encoding="utf-8")):
        if header[0] != "net (batch)":
            continue
        for row in rows:
            match = re.fullmatch(r"(\w+) \((\d+)\)", row[0])
            if match:
                found[match[1]] = f"{row[header.index('weft')]} ms ({match[2]})"
    return found


def seen(first, figures):
    nets = GROUPS.get(first, [first])
    told = [(net, figures[net]) for net in nets if net in figures]
    if len(nets) == 1:
        return told[0][1] if told else "–"
    return ", ".join(f"`{net}` {figure}" for net, figure in told) or "–"


def page(text):
    found = {ACCURACY: accuracies(), SPEED: speeds()}
    lines, columns = [], None
    for line in text.splitlines():
        row = cells(line)
        if line.startswith("| net |"):
            columns = {name: row.index(name) for name in found}
        elif not line.startswith("|"):
            columns = None
        elif columns and row[0].startswith("`"):
            for name, at in columns.items():
                row[at] = seen(re.match(r"`(\w+)`", row[0])[1], found[name])
            line = "| " + " | ".join(row) + " |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def main():
    path = DOCS / "models.md"
    text = path.read_text(encoding="utf-8")
    if "--check" not in sys.argv:
        path.write_text(page(text), encoding="utf-8")
    elif text != page(text):
        sys.exit("docs/models.md is out of date; run tests/style/models_page.py")


main()
