"""`make generate`: writes every file that is made from code, and `--check` says which ones are stale.

CRDs come from the kinds, and with the rights of our processes the rules of the roles. The policy of ClusterFreezes
comes from the one of Freezes. The chart carries copies of CRDs and policies, because Helm reads nothing outside a
chart. The list in docs/cli.md comes from the commands. docs/openapi.json comes from the routes and bodies of the
facade, and from that document the operations of the Python client.
"""

import argparse
import json
import sys
from pathlib import Path

from moorage_crds import schema
from moorage_dev import chart_readme, client_code, cluster_freezes, command_page, roles

ROOT = Path(__file__).resolve().parents[2]


def wanted_files() -> dict[Path, str]:
    """Path → content of every generated file."""
    from moorage_api import app  # noqa: PLC0415 — only this function needs the facade

    crds, policies = schema.crd_files(), schema.policy_files()
    policies[cluster_freezes.NAME] = cluster_freezes.text(policies[cluster_freezes.SOURCE])
    chart = ROOT / "charts/moorage/files"
    document = app.document_text()
    return {
        **{ROOT / "crds" / name: content for name, content in crds.items()},
        ROOT / "crds/policies" / cluster_freezes.NAME: policies[cluster_freezes.NAME],
        **{chart / "crds" / name: content for name, content in crds.items()},
        **{chart / "policies" / name: content for name, content in policies.items()},
        **{chart / "rules" / name: content for name, content in roles.files().items()},
        ROOT / "charts/moorage/README.md": chart_readme.text(),
        ROOT / "docs/openapi.json": document,
        ROOT / "docs/cli.md": command_page.text((ROOT / "docs/cli.md").read_text(encoding="utf-8")),
        **{
            ROOT / "client/moorage_client" / name: code
            for name, code in client_code.files(json.loads(document)).items()
        },
    }


def stray_files(wanted: dict[Path, str]) -> list[Path]:
    """Files in generated folders that nothing generates any more."""
    folders = [ROOT / "charts/moorage/files" / name for name in ("crds", "policies", "rules")]
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
