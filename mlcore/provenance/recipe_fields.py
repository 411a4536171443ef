"""What a generator's settings are called, and which values they may have.

One of these words alone says nothing: pedometers count steps, games have seeds, and a sampler is a
musical instrument.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MOST_KEYS = 400  # of one object
UNNAMED = "an image generator"
WEB_UI = "Stable Diffusion web UI"


@dataclass(frozen=True)
class Recipe:
    """What one text tells: ``tool`` by its name, ``model`` and ``prompt`` or ""; ``where`` it stood.

    ``edits``: a graph that loads a picture and only scales, cuts or saves it.
    """

    tool: str
    model: str = ""
    prompt: str = ""
    where: str = ""
    edits: bool = False


SPELLINGS: dict[str, str] = {
    "prompt": "prompt positiveprompt positive textprompt inputprompt fullprompt rawprompt originalprompt "
    "userprompt mainprompt prompttext promptstring includeinimage",
    "negative": "negativeprompt negative negprompt negativetext uc undesiredcontent excludefromimage",
    "steps": "steps numinferencesteps inferencesteps numsteps samplingsteps samplersteps samplesteps "
    "ddimsteps stepcount stepscount diffusionsteps denoisingsteps",
    "seed": "seed seeds noiseseed randseed randomseed imageseed baseseed initialseed seednumber sdseed",
    "sampler": "sampler samplername samplerindex samplertype samplerid samplingmethod samplermethod "
    "samplingalgorithm scheduler schedulername schedulertype samplerscheduler noiseschedule",
    "guidance": "cfg cfgscale guidance guidancescale cfgguidance classifierfreeguidance promptguidance "
    "distilledcfg distilledcfgscale distilledguidance unconditionalguidancescale textguidance",
    "model": "model basemodel modelname sdmodel sdmodelname sdmodelcheckpoint checkpoint ckpt ckptname "
    "basemodelname modelid modelweights usestablediffusionmodel modelfilename diffusionmodel",
}  # fmt: skip
NAMES = {spelling: name for name, line in SPELLINGS.items() for spelling in line.split()}
SETTINGS = {"steps", "seed", "sampler", "guidance"}
# Keys of one program, which need no settings beside them.
MARKS: dict[str, set[str]] = {
    "Fooocus": {"prompt", "full_prompt", "base_model"},
    "Fooocus MRE": {"prompt", "base_model_name"},
    "Draw Things": {"c", "sampler", "steps", "scale"},
    "NovelAI": {"prompt", "sampler", "steps", "signed_hash"},
    "InvokeAI": {"generation_mode", "positive_prompt"},
    "Easy Diffusion": {"prompt", "use_stable_diffusion_model"},
    "SwarmUI": {"sui_image_params"},
}
TOOLS: tuple[tuple[str, str], ...] = (
    (r"ruined ?fooocus", "RuinedFooocus"), (r"fooocus mre", "Fooocus MRE"), (r"fooocus", "Fooocus"),
    (r"mflux", "mflux"), (r"mochi diffusion", "Mochi Diffusion"),
    (r"swarm_version|sui_image_params|swarmui|stableswarm", "SwarmUI"), (r"invokeai", "InvokeAI"),
    (r"novelai|signed_hash", "NovelAI"), (r"draw things", "Draw Things"), (r"tensor\.?art", "TensorArt"),
    (r"easy diffusion|use_stable_diffusion_model", "Easy Diffusion"), (r"comfyui", "ComfyUI"),
    (r"sd\.next", "SD.Next"), (r"diffusionbee", "DiffusionBee"), (r"civitai", "Civitai"),
)  # fmt: skip


def tool_of(marks: str, otherwise: str) -> str:
    """The program that a text's names and short values, never its prompt, tell of."""
    sample = marks[:20_000]
    return next((name for pattern, name in TOOLS if re.search(pattern, sample, re.I)), otherwise)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}(\.\d{1,9})?\s*", value):
        return float(value)
    if isinstance(value, int):
        return float(value) if abs(value) < 1 << 70 else None
    return value if isinstance(value, float) else None


def _is_steps(value: Any) -> bool:
    number = _number(value)
    return number is not None and 1 <= number <= 1000 and number == int(number)


def _is_seed(value: Any) -> bool:
    number = _number(value[0] if isinstance(value, list) and value else value)
    return number is not None and number >= -1 and number == number // 1


def _is_guidance(value: Any) -> bool:
    number = _number(value)
    return number is not None and 0 <= number <= 100


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_name(value: Any) -> bool:
    return is_text(value) and len(value) <= 80 and _number(value) is None


def _is_prompt(value: Any) -> bool:
    return bool(prompt_of(value))


FITS: dict[str, Callable[[Any], bool]] = {
    "prompt": _is_prompt, "negative": lambda value: isinstance(value, str | list), "steps": _is_steps,
    "seed": _is_seed, "sampler": _is_name, "guidance": _is_guidance,
    "model": lambda value: is_text(value) or isinstance(value, dict),
}  # fmt: skip


def prompt_of(value: Any) -> str:
    """A prompt that is a text, a list of texts, or InvokeAI's list of weighted ones."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("prompt") or value.get("text")
    return value.strip() if isinstance(value, str) else ""


def model_of(value: Any) -> str:
    """A model's name, which may stand in an object of its own."""
    if isinstance(value, dict):
        value = next((value[key] for key in value if normal(key) in MODEL_KEYS and is_text(value[key])), "")
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=1024)
def _normal(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.rsplit(":", 1)[-1].lower())


def normal(key: object) -> str:
    """``SD:cfg_scale``, ``cfgScale`` and ``CFG scale`` are one name."""
    return _normal(str(key)[:80])


MODEL_KEYS = {"name", "key", "model", "modelname", "modelfilename", "basemodel"}
