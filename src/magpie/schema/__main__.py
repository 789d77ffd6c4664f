"""``python -m magpie.schema > docs/document.schema.json`` writes the JSON Schema of a line."""

from __future__ import annotations

import sys

from magpie._io import dump_json
from magpie.schema.codec import json_schema

sys.stdout.write(dump_json(json_schema(), indent=2) + "\n")
