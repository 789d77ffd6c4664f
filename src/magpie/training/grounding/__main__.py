"""``python -m magpie.training.grounding fit|evaluate``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from magpie._io import atomic_write, dump_json
from magpie.errors import MagpieError


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line and runs; 2 for an error that has a message."""
    parser = argparse.ArgumentParser(prog="python -m magpie.training.grounding")
    parser.add_argument("action", choices=("fit", "evaluate"))
    parser.add_argument("--data", default=os.environ.get("MAGPIE_DATA"), help="folder of corpora")
    parser.add_argument("--output", help="file to write instead of the shipped one (fit), or JSON")
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("give --data, or set MAGPIE_DATA")
    data = Path(options.data)
    try:
        if options.action == "fit":
            from magpie.engine import grounding
            from magpie.training.grounding.fit import fit

            output = options.output or Path(grounding.__file__).with_name("matcher.json")
            atomic_write(output, dump_json(fit(data), indent=1) + "\n")
            sys.stdout.write(f"{output}\n")
            return 0
        from magpie.training.grounding.evaluate import evaluate, tables

        report = evaluate(data)
        if options.output:
            atomic_write(options.output, dump_json(report, indent=1) + "\n")
        sys.stdout.write(tables(report))
    except MagpieError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
