"""The pages of docs/: the fenced blocks in them, and their paths and ports changed to those of a test."""

import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def blocks(page, language):
    """The fenced blocks of a page in that language (and, behind it, of that name)."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def block(page, language, changes=None):
    """The one such block; `changes` are texts in it and what stands for each, and none may be missing."""
    (text,) = blocks(page, language)
    for old, new in (changes or {}).items():
        assert old in text, f"{page} no longer has {old}"
        text = text.replace(old, str(new))
    return text
