#!/usr/bin/env bash
# Makes docs/images/demo-report.png, the picture in the README: the report of `magpie demo` as
# Chromium shows it, with 256 colours to keep it small. Run from the repository root.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
magpie demo --output "$work/demo" > /dev/null
"${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --hide-scrollbars \
  --user-data-dir="$work/profile" --window-size=1240,700 --virtual-time-budget=5000 \
  --screenshot="$work/page.png" "file://$work/demo/report.html"
python - "$work/page.png" docs/images/demo-report.png <<'PY'
import sys

from PIL import Image

page = Image.open(sys.argv[1]).convert("RGB")
page.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(sys.argv[2], optimize=True)
PY
