"""Prompts and settings that generators write into their files as text.

Read from PNG text, GIF and JPEG comments, EXIF (UserComment; ComfyUI's WebP puts its graph into
Make and Model) and XMP (Draw Things). Shown: the program, and model and prompt shortened. The
text is a claim that anyone can write or remove, yet nobody adds a prompt to a photograph by
accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlcore.contracts import Finding, Says, Source
from mlcore.provenance.labels import parsed
from mlcore.provenance.metadata import Metadata, parse
from mlcore.provenance.text import SENTENCE, clean, facts

MOST_NODES = 5000  # of a ComfyUI graph that are looked at
SETTINGS = re.compile(r"\bSteps: *\d+, .{0,200}?\b(Sampler|Seed|CFG scale): ?", re.S)
MODEL = re.compile(r"\bModel: *([^,\n]{1,200})")
VERSION = re.compile(r"\bVersion: *([^,\n]{1,100})")
DREAM = tuple(re.compile(flag) for flag in (r" -s ?\d", r" -S ?\d", r" -W ?\d", r" -C ?\d"))
UUID_LIKE = re.compile(r"[0-9a-fA-F-]{16,64}")


@dataclass(frozen=True)
class Recipe:
    """What one text tells: ``tool`` by its name, ``model`` and ``prompt`` or ""."""

    tool: str
    model: str = ""
    prompt: str = ""
    where: str = ""


def read(data: bytes) -> list[Finding]:
    """At most one finding a program; never raises."""
    try:
        return findings(parse(data))
    except Exception:  # as in metadata.read: one part's hole is not the others' loss
        return []


def findings(meta: Metadata) -> list[Finding]:
    """As ``read``, of metadata that is parsed already."""
    found: dict[str, Recipe] = {}
    for where, key, text in _texts(meta):
        recipe = recognise(key, text)
        if recipe is not None:
            recipe = Recipe(recipe.tool, recipe.model, recipe.prompt, where)
            known = found.get(recipe.tool)
            found[recipe.tool] = _merged(known, recipe) if known else recipe
    return [_finding(recipe) for recipe in list(found.values())[:6]]


def recognise(key: str, text: str) -> Recipe | None:
    """Which program's text this is; ``key`` is the PNG keyword, or "" where the place has none."""
    exact = KEYS.get(key.lower())
    if exact is not None and (recipe := exact(text)) is not None:
        return recipe
    return _plain(text) or _json(text)


def _texts(meta: Metadata) -> Iterator[tuple[str, str, str]]:
    """(where in words, keyword, text)."""
    software = meta.text("Software").strip().lower()
    for key, text in meta.blocks.texts:
        yield (
            f"text “{clean(key, 40)}”",
            "novelai" if software == "novelai" and key == "Comment" else key,
            text,
        )
    tags = meta.exif.texts
    for name in ("comment", "description", "xp_comment", "make", "model", "software"):
        head, found, rest = tags.get(name, "").partition(":")
        if found and head.strip().lower() in ("prompt", "workflow"):  # ComfyUI's WebP
            yield f"EXIF {name}", head.strip().lower(), rest
        elif found:
            yield f"EXIF {name}", "", tags[name]
    for text in meta.xmp_all("UserComment")[:4] + meta.xmp_all("parameters")[:4]:
        yield "XMP", "draw things" if "draw things" in meta.xmp_first("CreatorTool").lower() else "", text


def _plain(text: str) -> Recipe | None:
    """AUTOMATIC1111's settings, which Forge, SD.Next, Fooocus, Civitai and many others write too."""
    settings = SETTINGS.search(text[:100_000])
    if settings is None:
        return None
    tail = text[settings.start() : settings.start() + 20_000]
    version = (VERSION.search(tail) or [""])[0]
    tool = "Stable Diffusion web UI"
    for name in ("Fooocus", "ComfyUI", "SD.Next", "Draw Things", "Civitai"):
        if name.lower() in tail.lower():
            tool = name
    model = MODEL.search(tail)
    prompt = text[: settings.start()].split("\nNegative prompt:")[0]
    return Recipe(tool if "fooocus" not in version.lower() else "Fooocus", model[1] if model else "", prompt)


def _json(text: str) -> Recipe | None:
    found = parsed(text)
    if not isinstance(found, dict):
        return None
    for name, marks in JSON_MARKS.items():
        if found.keys() >= marks:
            return Recipe(name, _first(found, "model", "base_model", "sd_model"), _first(found, *PROMPTS))
    if isinstance(found.get("sui_image_params"), dict):
        inner = found["sui_image_params"]
        return Recipe("SwarmUI", _first(inner, "model"), _first(inner, "prompt"))
    return comfyui(text) if any(isinstance(node, dict) for node in list(found.values())[:5]) else None


PROMPTS = ("prompt", "Prompt", "c", "positive_prompt", "full_prompt", "raw_prompt")
JSON_MARKS: dict[str, set[str]] = {
    "Fooocus": {"prompt", "full_prompt", "base_model"},
    "Fooocus MRE": {"prompt", "base_model_name"},
    "Draw Things": {"c", "sampler", "steps", "scale"},
    "NovelAI": {"prompt", "sampler", "steps", "signed_hash"},
    "InvokeAI": {"generation_mode", "positive_prompt"},
    "Easy Diffusion": {"prompt", "use_stable_diffusion_model"},
}


def comfyui(text: str) -> Recipe | None:
    """An executed graph (nodes with ``class_type``) or a drawn one (a list of ``nodes``)."""
    found = parsed(text)
    if not isinstance(found, dict):
        return None
    nodes = found.get("nodes") if isinstance(found.get("nodes"), list) else list(found.values())
    nodes = [node for node in (nodes or [])[:MOST_NODES] if isinstance(node, dict)]
    if not any("class_type" in node or ("type" in node and "pos" in node) for node in nodes):
        return None
    inputs = [node["inputs"] for node in nodes if isinstance(node.get("inputs"), dict)]
    model = next(filter(None, (_first(each, "ckpt_name", "unet_name", "model_name") for each in inputs)), "")
    prompt = max((_first(each, "text", "prompt", "text_g") for each in inputs), key=len, default="")
    return Recipe("ComfyUI", model, prompt)


def _invokeai(text: str) -> Recipe | None:
    found = parsed(text)
    if not isinstance(found, dict):
        return None
    model = found.get("model") or found.get("model_weights") or ""
    name = _first(model, "name", "model_name", "key") if isinstance(model, dict) else str(model)
    image = found.get("image") if isinstance(found.get("image"), dict) else found
    return Recipe("InvokeAI", name, _first(image or found, "positive_prompt", "prompt"))


def _dream(text: str) -> Recipe | None:
    """InvokeAI's older command line, kept whole."""
    command = all(flag.search(text[:6000]) for flag in DREAM)
    return Recipe("InvokeAI", "", text.split(" -s")[0].strip('" ')) if command else None


def _novelai(text: str) -> Recipe | None:
    found = parsed(text)
    return Recipe("NovelAI", "", _first(found, "prompt")) if isinstance(found, dict) else None


def _draw_things(text: str) -> Recipe | None:
    found = parsed(text)
    return (
        Recipe("Draw Things", _first(found, "model"), _first(found, "c")) if isinstance(found, dict) else None
    )


def _named(tool: str) -> Callable[[str], Recipe | None]:
    return lambda text: Recipe(tool) if text.strip() else None


KEYS: dict[str, Callable[[str], Recipe | None]] = {
    "prompt": comfyui,
    "workflow": comfyui,
    "invokeai_metadata": _invokeai,
    "invokeai_graph": _invokeai,
    "invokeai_workflow": _invokeai,
    "sd-metadata": _invokeai,
    "dream": lambda text: _dream(text),
    "novelai": _novelai,
    "draw things": _draw_things,
    "fooocus_scheme": _named("Fooocus"),
    "use_stable_diffusion_model": _named("Easy Diffusion"),
    "smproj": _named("Stability Matrix"),
    "hf-job-id": lambda text: Recipe(JOBS, "", "") if UUID_LIKE.fullmatch(text.strip()) else None,
}
JOBS = "a hosted image job"
SAYS_JOB = (
    "Number of a hosted image job",
    "The file carries the number of a job (hf-job-id) that hosted image generators write into their "
    "pictures. It does not say which model ran. Anyone can write or remove this.",
)


def _first(found: Any, *names: str) -> str:
    """The first of these that is a text; numbers, lists and links of a graph are passed over."""
    for name in names:
        value = found.get(name) if isinstance(found, dict) else None
        if isinstance(value, str) and value.strip():
            return value
    return ""


def _merged(old: Recipe, new: Recipe) -> Recipe:
    return Recipe(old.tool, old.model or new.model, max(old.prompt, new.prompt, key=len), old.where)


def _finding(recipe: Recipe) -> Finding:
    title = f"{recipe.tool}: settings in the file"
    prompt = clean(recipe.prompt, SENTENCE)
    said = f" Its prompt begins: “{clean(recipe.prompt, 120)}”." if prompt else ""
    detail = f"The file carries what {recipe.tool} writes into pictures it generates.{said}"
    if recipe.tool == JOBS:
        title, detail = SAYS_JOB
    return Finding(
        Source.GENERATOR, Says.AI, title, f"{detail} Anyone can write or remove this."
        if recipe.tool != JOBS else detail,
        facts=facts(tool=recipe.tool, model=clean(recipe.model), prompt=prompt, where=recipe.where),
    )  # fmt: skip
