"""The font of the PDF, and texts in characters that it has."""

import importlib.util
from functools import cache
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

__all__ = ["load_font", "shown"]

FONT = "DejaVuSans"  # of matplotlib, free to embed: Latin, Greek, Cyrillic, Arabic, Hebrew and more


@cache
def load_font() -> str:
    """Registers the font once and gives its name; the file is found without importing matplotlib, which takes a second."""
    spec = importlib.util.find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{FONT}.ttf"
    pdfmetrics.registerFont(TTFont(FONT, str(path)))
    return FONT


def shown(text: str) -> str:
    """The text in characters that the font has, others as `[U+4E2D]`; line breaks stay, other control characters are written out."""
    glyphs = pdfmetrics.getFont(load_font()).face.charToGlyph
    return "".join(
        char if char == "\n" or (ord(char) in glyphs and char.isprintable()) else f"[U+{ord(char):04X}]"
        for char in text
    )
