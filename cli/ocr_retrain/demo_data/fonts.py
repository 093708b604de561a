"""The fonts of the rendered general lines, all from installed packages (SIL Open Font License).

Training renders its own general lines to replay what the model knows. The fonts here are disjoint
from those, so that the golden set asks for what was kept and not for what was just rehearsed.
"""

import functools
import importlib.util
from pathlib import Path

from PIL import ImageFont

from ocr_retrain.demo_data.errors import DemoDataError

LATIN_FONTS: tuple[tuple[str, str], ...] = (
    ("fontpkg_pt_sans", "files/PT_Sans-Web-Regular.ttf"),
    ("fontpkg_pt_sans", "files/PT_Sans-Web-Bold.ttf"),
    ("fontpkg_pt_serif", "files/PT_Serif-Web-Regular.ttf"),
    ("fontpkg_pt_serif", "files/PT_Serif-Web-Italic.ttf"),
    ("fontpkg_roboto_mono", "files/RobotoMono[wght].ttf"),
    ("fontpkg_source_serif_4", "files/SourceSerif4[opsz,wght].ttf"),
    ("fontpkg_work_sans", "files/WorkSans[wght].ttf"),
    ("fontpkg_zilla_slab", "files/ZillaSlab-Regular.ttf"),
    ("fontpkg_zilla_slab", "files/ZillaSlab-Medium.ttf"),
)
CHINESE_FONTS: tuple[tuple[str, str], ...] = (("pylopdf_fonts_zh_cn", "NotoSerifSC-Regular.otf"),)


def package_file(package: str, name: str) -> Path:
    """Where an installed package keeps a file, found without importing the package.

    Raises DemoDataError when the package is not installed or lacks the file.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / name
        if path.is_file():
            return path
    raise DemoDataError(
        f"The package {package} with {name} is not installed; run `make setup` to install it."
    )


@functools.cache
def load_font(package: str, name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font at `size` pixels per em. Raises DemoDataError when its package is missing."""
    return ImageFont.truetype(str(package_file(package, name)), size)
