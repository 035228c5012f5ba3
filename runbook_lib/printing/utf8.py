"""Text in UTF-8, also if it has half characters: bytes that Python could not decode, and what JSON allows."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["encodable_json", "utf8_bytes"]

# Python's own stand-ins for bytes are 0xDC80 to 0xDCFF.
_OTHER_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def utf8_bytes(text: str) -> bytes:
    r"""Return `text` in UTF-8; what UTF-8 cannot express is a replacement character, as Jupyter shows it.

    >>> utf8_bytes("caf\udce9").decode()
    'caf�'
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raw = _OTHER_HALVES.sub("\N{REPLACEMENT CHARACTER}", text).encode(errors="surrogateescape")
        return raw.decode(errors="replace").encode()


def encodable_json(data: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON data that can be written as UTF-8: the same object, unless it has half characters."""
    text = json.dumps(data, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(utf8_bytes(text))
    return data
