"""Glyphs: names in scripts that the font of the figures does not have."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

FONT = "DejaVu Sans"
"""What matplotlib brings along: Latin, Greek, Cyrillic, Arabic, Hebrew and more."""
FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "IPAGothic",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans",
    "Yu Gothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
)
"""Fonts that are taken for the rest, where they are installed."""


def legible(text: str) -> str:
    r"""A text whose characters without a glyph in any of these fonts are written as their numbers, not as boxes.

    >>> legible("α $"), legible("\ue000x")
    ('α $', '\\ue000x')
    """
    if text.isascii():
        return text
    lost = {character for character in text if ord(character) > 127 and ord(character) not in _known()}
    if lost:
        _tell()
    return "".join(rf"\u{ord(character):04x}" if character in lost else character for character in text)


def fit_fonts(figure: Figure) -> None:
    """Give texts that need it the fonts that have their glyphs."""
    if not _installed():
        return
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if not text.get_text().isascii():
            text.set_fontfamily([FONT, *_installed()])


@functools.cache
def _installed() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return tuple(name for name in FALLBACKS if name in there)


@functools.cache
def _known() -> frozenset[int]:
    """Code points with a glyph."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(code for name in (FONT, *_installed()) for code in get_font(findfont(name)).get_charmap())


@functools.cache
def _tell() -> None:
    log.warning("no font has all characters of the names in the figures: their code points are shown (Noto Sans CJK)")
