"""The results of tools/gpu/check as one markdown table a group, for docs/gpu-status.md and docs/benchmarks.md."""


def cell(figure):
    return "–" if figure is None else f"{figure:.3g}" if abs(figure) < 100 else f"{figure:.0f}"


def parts_table(results):
    lines = ["| part | state | seconds | what it said |", "|---|---|---|---|"]
    for part in results["parts"]:
        said = part["said"].replace("|", "/").replace("\n", " ")
        lines.append(f"| {part['part']} | {part['state']} | {part.get('seconds', '–')} | {said} |")
    return lines


def training_table(results):
    lines = []
    for name, row in results.get("training", {}).items():
        lines.append(f"- {name}: " + ", ".join(f"{column} {value}" for column, value in row.items()))
    return lines


def rows_table(rows):
    lines, group = [], None
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            lines += ["", f"| {group} | {row['unit']} | target | reached |", "|---|---|---|---|"]
        figures = ", ".join(f"{who} {cell(figure)}" for who, figure in row["figures"].items())
        reached = {None: "not judged", True: "yes", False: "no"}[row["reached"]] if row["target"] else ""
        lines.append(f"| {row['what']} | {figures} | {row['target']} | {reached} |")
    return lines


def markdown(results):
    title = "Dry run of the check" if results["dry_run"] else "Check"
    lines = [f"# {title} on {results['device']}, {results['when']}", ""]
    if results["dry_run"]:
        lines += ["Tiny sizes: no figure here says anything about speed.", ""]
    facts = results.get("facts", {})
    for line in facts.get("nvidia-smi", []) if isinstance(facts.get("nvidia-smi"), list) else []:
        lines.append(f"    {line}")
    for entry in facts.get("devices", []):
        lines.append(f"- {entry['device']}: {entry.get('name') or entry.get('reason')}")
    lines += ["", *parts_table(results), "", *training_table(results), *rows_table(results.get("benchmarks", []))]
    return "\n".join(lines) + "\n"
