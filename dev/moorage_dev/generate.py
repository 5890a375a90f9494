"""`make generate`: writes every file that is made from code, and `--check` says which ones are stale.

CRDs come from the models; the chart carries copies of CRDs and policies, because Helm reads nothing outside a chart;
docs/openapi.json comes from the routes and bodies of the facade.
"""

import argparse
import sys
from pathlib import Path

from moorage_crds import schema
from moorage_dev import chart_readme

ROOT = Path(__file__).resolve().parents[2]


def wanted_files() -> dict[Path, str]:
    """Path → content of every generated file."""
    from moorage_api import app  # noqa: PLC0415 — only this function needs the facade

    crds, policies = schema.crd_files(), schema.policy_files()
    chart = ROOT / "charts/moorage/files"
    return {
        **{ROOT / "crds" / name: content for name, content in crds.items()},
        **{chart / "crds" / name: content for name, content in crds.items()},
        **{chart / "policies" / name: content for name, content in policies.items()},
        ROOT / "charts/moorage/README.md": chart_readme.text(),
        ROOT / "docs/openapi.json": app.document_text(),
    }


def stray_files(wanted: dict[Path, str]) -> list[Path]:
    """Files in generated folders that nothing generates any more."""
    folders = [ROOT / "charts/moorage/files/crds", ROOT / "charts/moorage/files/policies"]
    present = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    present += (ROOT / "crds").glob("*.yaml")
    return sorted(path for path in present if path not in wanted)


def stale_files(wanted: dict[Path, str]) -> list[Path]:
    """Generated files that are missing or differ from what the code says."""
    return sorted(
        path for path, content in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != content
    )


def main(argv: list[str]) -> int:
    """Write the files, or check them; 1 if something is stale."""
    parser = argparse.ArgumentParser(prog="python -m moorage_dev.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    check = parser.parse_args(argv).check
    wanted = wanted_files()
    stale, stray = stale_files(wanted), stray_files(wanted)
    if check:
        for path in [*stale, *stray]:
            sys.stderr.write(f"stale: {path.relative_to(ROOT)} (run `make generate`)\n")
        return 1 if stale or stray else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    for path in stray:
        path.unlink()
        sys.stdout.write(f"removed {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
