"""`make screenshots`: pictures of the page in docs/images, of what `make demo` has left running.

With a folder as its argument it takes every view there, in light and dark, wide and narrow, to look through them; with
names of views after it, these views alone.
"""

import json
import sys
from pathlib import Path

from moorage_dev import browser, page, running
from moorage_dev.layout import ROOT, RUN

_FOLDER = ROOT / "docs/images"


def main(argv: list[str]) -> int:
    """Make the pictures.

    Raises:
        DevError: nothing is running, there is no browser, or the page does not show what it should.
    """
    folder = Path(argv[0]).resolve() if argv else _FOLDER
    demo = running.environment(RUN)
    folder.mkdir(parents=True, exist_ok=True)
    given = {
        "url": demo["MOORAGE_URL"],
        "org": "northwind",
        "workspace": "storefront",
        "tokens": {"alice": demo["MOORAGE_TOKEN"]},
        "chromium": str(browser.find_browser()),
        "folder": str(folder),
        "all": bool(argv),
        "views": argv[1:],
    }
    arguments = ["journeys/screenshots.mjs"]
    variables = {"MOORAGE_JOURNEY": json.dumps(given)}
    page.tools().run(arguments, folder=page.WEB, what="making the pictures", environment=variables)
    sys.stdout.write(f"wrote {folder}\n")
    return 0
