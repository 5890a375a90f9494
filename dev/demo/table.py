"""Shows a list of the REST API as a table: `curl … | python3 table.py deployments deployed_at release_id …`."""

import json
import sys

name, *columns = sys.argv[1:]
rows = [columns, *([str(line[column] or "-") for column in columns] for line in json.load(sys.stdin)[name])]
widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
for row in rows:
    sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
