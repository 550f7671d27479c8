"""PDF to text as FastGPT puts it together: pieces of a page without anything between them, its edges left out."""

from __future__ import annotations

import io
import logging
import math
from dataclasses import dataclass
from typing import Any

_ENDS = "。？！.?!"
_MARGIN = 0.05  # of the page's height, above and below


@dataclass(slots=True)
class _Line:
    """What stands on one line of a page, the height it stands at, and how far it lies across its own direction."""

    height: float
    across: float
    text: str


def pdf_text(content: bytes) -> str:
    """The text of all pages. A line end is written only behind the end of a sentence."""
    from pypdf import PdfReader  # costs 0.2 s to import; most emulators never see a PDF
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError, WrongPasswordError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        end = content.rfind(b"%%EOF")  # what stands behind it does not count, and it may be missing
        reader = PdfReader(io.BytesIO(content[: end + 5] if end >= 0 else content + b"\n%%EOF"))
        if reader.is_encrypted and not reader.decrypt(""):
            raise ValueError("No password given")
        pages = list(reader.pages)
    except (FileNotDecryptedError, WrongPasswordError):
        raise ValueError("No password given") from None
    except DependencyError:
        raise ValueError("encrypted with AES: this emulator cannot read it, FastGPT can") from None
    except (PyPdfError, OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("Invalid PDF structure.") from error
    return "".join(_page(page) for page in pages)


def _page(page: Any) -> str:
    lines: list[_Line] = []

    def visit(text: str, matrix: list[float], place: list[float], font: Any, size: float) -> None:
        x, y = _moved(matrix, place[4], place[5])
        along_x, along_y = place[0] * matrix[0] + place[1] * matrix[2], place[0] * matrix[1] + place[1] * matrix[3]
        across = (along_x * y - along_y * x) / (math.hypot(along_x, along_y) or 1.0)
        piece = text.replace("\n", "")
        if not piece or _unmapped(font):
            return
        if lines and abs(lines[-1].across - across) < 1:
            gap = "" if lines[-1].text.endswith(" ") or piece.startswith(" ") else " "
            lines[-1].text += gap + piece
        else:
            lines.append(_Line(y, across, piece))

    page.extract_text(visitor_text=visit)
    low, high = float(page.mediabox.height) * _MARGIN, float(page.mediabox.height) * (1 - _MARGIN)
    parts = []
    for line in lines:
        text = line.text.strip(" ")
        ended = line is not lines[-1] and text.endswith(tuple(_ENDS))
        if low < line.height < high:
            parts.append(text + "\n" if ended else text)
    return "".join(parts)


def _moved(matrix: list[float], x: float, y: float) -> tuple[float, float]:
    return x * matrix[0] + y * matrix[2] + matrix[4], x * matrix[1] + y * matrix[3] + matrix[5]


def _unmapped(font: Any) -> bool:
    """Whether a font needs one of the character maps that FastGPT does not bring along; its text is lost."""
    if not font or font.get("/Subtype") != "/Type0" or "/ToUnicode" in font:
        return False
    return not str(font.get("/Encoding", "")).startswith("/Identity")
