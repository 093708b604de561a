"""A headless Chromium, which the system must bring."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>{}<dir>/usr/share/fonts</dir><cachedir>{}</cachedir></fontconfig>
"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.fail("There is no Chromium on the PATH: `apt-get install chromium` brings one.")
    import pylopdf_fonts_zh_cn

    scratch = tmp_path_factory.mktemp("fonts")
    named = f"<dir>{Path(pylopdf_fonts_zh_cn.__file__).parent}</dir>"
    (scratch / "fonts.conf").write_text(_FONTS.format(named, scratch / "cache"))
    environment = {**os.environ, "FONTCONFIG_FILE": str(scratch / "fonts.conf")}
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program,
            # Its sandbox needs rights that a container does not give; the page is our own.
            args=["--no-sandbox", "--disable-gpu"],
            env=environment,
        )
        yield launched
        launched.close()
