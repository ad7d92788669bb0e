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
    for name, row in {**results.get("training", {}), **results.get("rows", {})}.items():
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


def zoo_table(zoo):
    """One row a net, and what takes its time."""
    rows = zoo.get("rows", [])
    if not rows:
        return []
    rates = zoo.get("roofline") or {}
    lines = ["", "| net (batch), images/s | weft | PyTorch eager | compile | roofline | share | targets of an H200 |",
             "|---|---|---|---|---|---|---|"]
    for row in rows:
        def best(start):
            found = [(rate, who.removeprefix(start).strip()) for who, rate in row["figures"].items()
                     if who.startswith(start)]
            return f"{cell(max(found)[0])} {max(found)[1]}".strip() if found else "–"

        share = f"{100 * row['share']:.0f} %" if row.get("share") else "–"
        verdicts = row.get("verdicts", {})
        targets = ", ".join(f"{text}: {'yes' if verdicts[text] else 'no'}" if text in verdicts else text
                            for text in row["target"].split(", ") if text)
        lines.append(f"| {row['what']} | {row.get('note') or best('weft')} | {best('PyTorch eager')} | "
                     f"{best('PyTorch compile')} | {cell(row.get('roofline_images_per_s'))} | {share} | {targets} |")
    lines += ["", f"Roofline: the sum over the kernel calls of a step of max(2 MACs / {cell(rates.get('TFLOP/s'))} "
              f"TFLOP/s, bytes / {cell(rates.get('GB/s'))} GB/s).", ""]
    for row in rows:
        for kernel in row.get("top", []):
            lines.append(f"- {row['what']}: {kernel['slot']} {kernel['candidate']} {kernel['ms']:.2f} ms, "
                         f"{100 * kernel['share']:.0f} %, {kernel['calls']} calls")
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
    lines += ["", *parts_table(results), "", *training_table(results), *rows_table(results.get("benchmarks", [])),
              *zoo_table(results.get("zoo", {}))]
    return "\n".join(lines) + "\n"
