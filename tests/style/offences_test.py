#!/usr/bin/env python3
"""The style test itself: each offence, planted alone in a small tree, must be found, and the clean tree must pass."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import style_test  # noqa: E402

HEADER = "// What this is for.\n#pragma once\n\n#include <vector>\n"
LONG_BODY = "\n".join(f"  x += {i};" for i in range(60))
FULL_BODY = "\n".join(LONG_BODY.splitlines()[:58])  # with its first and last line just within the budget
CLEAN = {
    "core/tensor.h": HEADER + '\n#include "core/shape.h"\n',
    "core/shape.h": HEADER,
    "nn/linear.cc": '#include "core/tensor.h"\n\nvoid forward() {\n' + FULL_BODY + "\n}\n",
    "nn/table.cc": "const int table[] = {\n" + "  1,\n" * 100 + "};\n",
    "CMakeLists.txt": "project(x)\n",
}
OFFENCES = {  # what must be said -> the files that differ from the clean tree
    "601 lines": {"core/long.cc": "int x;\n" * 601},
    "121 columns": {"core/wide.cc": "//" + "x" * 119 + "\n"},
    "an open to-do mark": {"core/open.cc": "// TO" "DO later\n"},
    "a function of 63 lines": {"nn/linear.cc": "namespace a {\nvoid forward(int x) {\n" + LONG_BODY + "\n\n}\n}\n"},
    "a function of 62 lines": {"nn/table.cc": "const Row table[] = {{1, [](int x) {\n" + LONG_BODY + "\n}}};\n"},
    "4 function-like macros": {"core/macros.cc": "".join(f"#define M{i}(x) x\n" for i in range(4))},
    "core may not include kernels": {"core/bad.cc": '#include "kernels/functors.h"\n'},
    "optim may not include nn": {"optim/bad.cc": '#include "nn/module.h"\n'},
    '"tensor.h": includes are root-relative': {"core/bad.cc": '#include "tensor.h"\n'},
    "<spdlog/spdlog.h>: a public header": {"core/bad.h": HEADER + "#include <spdlog/spdlog.h>\n"},
    "a header opens with a comment": {"core/bad.h": "#pragma once\n"},
    "no #pragma once": {"core/bad.h": "// What this is for.\n"},
    "blanks at the end": {"core/bad.cc": "int x; \n"},
}


def findings(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return style_test.check_tree(root)


failures = [f"clean tree: {found}" for found in findings(CLEAN)]
for wanted, changed in OFFENCES.items():
    found = findings({**CLEAN, **changed})
    if len(found) != 1 or wanted not in found[0]:
        failures.append(f"wanted one finding with '{wanted}', got {found}")
print("\n".join(failures) if failures else f"style: all {len(OFFENCES)} planted offences were found")
sys.exit(1 if failures else 0)
