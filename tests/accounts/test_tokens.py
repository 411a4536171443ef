"""The design's promise of contrast (WCAG 2.2, 1.4.3 and 1.4.11), for both themes."""

import re

import pytest
from django.conf import settings

VERDICTS = ["fake", "real", "uncertain", "waiting", "failed"]
TEXT = 4.5
CONTROL = 3.0
PAIRS = [
    *[
        (text, ground, TEXT)
        for text in ("ink", "ink-soft", "accent")
        for ground in ("paper", "surface", "sunken")
    ],
    *[(name, f"{name}-wash", TEXT) for name in VERDICTS],
    *[(name, "surface", TEXT) for name in VERDICTS],
    *[("ink", f"{name}-wash", TEXT) for name in (*VERDICTS, "accent")],
    ("accent", "accent-wash", TEXT),
    ("paper", "ink", TEXT),
    ("on-accent", "accent", TEXT),
    ("line-strong", "surface", CONTROL),
    ("line-strong", "paper", CONTROL),
]


def colours() -> dict[str, tuple[str, str]]:
    css = (settings.BASE_DIR / "static/css/tokens.css").read_text()
    pattern = r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);"
    return {name: (light, dark) for name, light, dark in re.findall(pattern, css)}


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2.2's definition)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_contrast(front, ground, least, theme):
    found = colours()
    assert contrast(found[front][theme], found[ground][theme]) >= least


def test_verdicts_differ_by_more_than_colour():
    """Each has an icon of its own, for those who do not see the hue."""
    css = (settings.BASE_DIR / "static/css/tokens.css").read_text()
    icons = [re.search(rf"--icon-{name}: (.+);", css)[1] for name in VERDICTS]
    assert len(set(icons)) == len(VERDICTS)
