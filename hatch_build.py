"""Puts the built page into the wheel. `make page` builds it before, because that needs Node and packages."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):
    """The files of `web/dist` become `moorage_api/page`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the page to what is built.

        Raises:
            FileNotFoundError: the page has not been built.
        """
        if version == "editable":
            return  # In a checkout the facade serves web/dist itself.
        page = Path(self.root) / "web/dist"
        if not (page / "index.html").is_file():
            message = "web/dist is missing, and the wheel holds the page: run `make page` first"
            raise FileNotFoundError(message)
        build_data["force_include"][str(page)] = "moorage_api/page"
