"""Settings as lines of ``name: value``: AUTOMATIC1111's way, which many programs took over.

They may stand on one line or several, with commas, dots or semicolons between them.
"""

from __future__ import annotations

import re

from mlcore.provenance.recipe_fields import WEB_UI, Recipe, tool_of


def _setting(names: str, value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{names})[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?{value}", re.I)


STEPS = _setting(r"(?:num[_ ]?)?(?:inference[_ ]?|sampling[_ ]?)?steps", r"(\d{1,4})(?![\d.:/]*\d)")
SEED = _setting(r"(?:noise[_ ]?)?seed", r"-?\d")
GUIDANCE = _setting(r"cfg|(?:cfg|guidance)[_ ]?scale|guidance", r"\d")
SAMPLER = _setting(r"sampler(?:[_ ]?name)?|sampling method|scheduler", r"[a-z]")
KNOWN_SAMPLER = _setting(
    r"sampler(?:[_ ]?name)?|sampling method|scheduler",
    r"(?:k_)?(?:euler|dpm|ddim|ddpm|lms|heun|plms|uni_?pc|lcm|restart|er_sde|res_|karras|flow|pndm|deis|tcd)",
)
NEGATIVE = _setting(r"negative[_ ]?prompt|exclude from image", "")
PROMPT = _setting(r"prompt|include in image", r"([^;\n|]{0,2000})")
MODEL = _setting("model", r"([^,;\n|\"']{1,200})")
VERSION = re.compile(r"\b(?:Version|Generator): *([^,;\n]{1,100})")
QUOTED_END = re.compile(r"[\"'], ")  # of a prompt in JSON that was cut short
MOST_STEPS = 8  # mentions of steps that are looked at
BEFORE, BEHIND = 2000, 1200  # characters around them in which the other settings stand


def in_lines(text: str) -> Recipe | None:
    """AUTOMATIC1111's settings, which Forge, SD.Next, Civitai and many others write too."""
    for _, steps in zip(range(MOST_STEPS), STEPS.finditer(text), strict=False):
        around = text[max(0, steps.start() - BEFORE) : steps.end() + BEHIND]
        if _are_settings(around):
            return _of_lines(text, steps.start())
    return None


def _are_settings(around: str) -> bool:
    """Steps are there: whether the other names are, so that it cannot be a cook's or a gardener's list."""
    seed, guidance = SEED.search(around), GUIDANCE.search(around)
    if seed and guidance:
        return bool(
            SAMPLER.search(around) or NEGATIVE.search(around) or MODEL.search(around) or PROMPT.search(around)
        )
    if guidance or seed:
        return bool(
            KNOWN_SAMPLER.search(around) or (seed and (NEGATIVE.search(around) or PROMPT.search(around)))
        )
    return bool(NEGATIVE.search(around) and KNOWN_SAMPLER.search(around))


def _of_lines(text: str, start: int) -> Recipe:
    near = text[max(0, start - BEFORE) : start + 20_000]
    model, stated = MODEL.search(near), PROMPT.match(text.lstrip("{ \"'\r\n\t")[:3000])
    negative = NEGATIVE.search(text, 0, start)
    prompt = QUOTED_END.split(stated[1])[0] if stated else text[: negative.start() if negative else start]
    tail = text[start : start + 20_000]
    tool = tool_of(f"{(VERSION.search(tail) or [''])[0]} {tail}", WEB_UI)
    return Recipe(tool, model[1].strip() if model else "", prompt.strip(" .\n\t"))
