"""Every function with its bindings, as the worker tells them to the host, beside the file of what they should be.

    python -m tests.functions.bindings

writes that file anew: what is deployed has changed then, so look at the difference, and at what else names functions
and routes (the deployment, host.json, the table of roles, docs/).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tests.functions.shell import indexed

GOLDEN: Final = Path(__file__).with_name("bindings.json")


def bindings() -> dict[str, dict[str, Any]]:
    """Of each function, by its name: whether it is awaited, its retry policy, its bindings."""
    return {
        function.name: {
            "async": function.is_async,
            "retry": function.retry,
            "bindings": [json.loads(each) for each in function.raw_bindings],
        }
        for function in indexed()
    }


def text() -> str:
    """As the file says it: a binding a line, so that a difference is a line, too."""
    lines = []
    for name, function in bindings().items():
        head = json.dumps({key: value for key, value in function.items() if key != "bindings"})[1:-1]
        each = ",\n".join(f"      {json.dumps(binding, sort_keys=True)}" for binding in function["bindings"])
        lines.append(f'  {json.dumps(name)}: {{\n    {head}, "bindings": [\n{each}\n    ]\n  }}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    GOLDEN.write_text(text())
