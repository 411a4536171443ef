"""Findings of the prompts and settings that generators leave in their files.

Every text of the file is looked through, and the lowest bits of the pixels. Shown: the program
where it is known, model and prompt shortened. The text is a claim that anyone can write or
remove, yet nobody adds a prompt to a photograph by accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from mlcore.contracts import Finding, Says, Source
from mlcore.provenance import recipe_fields, recipes, stealth, texts
from mlcore.provenance.metadata import Metadata, parse
from mlcore.provenance.recipe_fields import Recipe
from mlcore.provenance.text import SENTENCE, clean, facts

MOST_FINDINGS = 6
FEWEST_OBJECTS = 50  # of JSON in each of many texts
DREAM = tuple(re.compile(flag) for flag in (r" -s ?\d", r" -S ?\d", r" -W ?\d", r" -C ?\d"))
UUID_LIKE = re.compile(r"[0-9a-fA-F-]{16,64}")
JOBS = "a hosted image job"
SAYS_JOB = (
    "Number of a hosted image job",
    "The file carries the number of a job (hf-job-id) that hosted image generators write into their "
    "pictures. It does not say which model ran. Anyone can write or remove this.",
)


def read(data: bytes, pixels: bool = False) -> list[Finding]:
    """At most one finding a program; never raises.

    ``pixels``: the file can be decoded within the limits, so that its lowest bits are read too.
    """
    try:
        hidden = stealth.read(data) if pixels else []
        return findings(parse(data), hidden)
    except Exception:  # as in metadata.read: one part's hole is not the others' loss
        return []


def findings(meta: Metadata, hidden: list[texts.Text] | None = None) -> list[Finding]:
    """As ``read``, of metadata that is parsed already and of texts ``hidden`` in pixels."""
    known: dict[str, Recipe] = {}
    for recipe in _recipes(meta, hidden or []):
        earlier = known.get(recipe.tool)
        known[recipe.tool] = _merged(earlier, recipe) if earlier else recipe
    if len(known) > 1 and (unnamed := known.pop(recipe_fields.UNNAMED, None)):
        first = next(iter(known))
        known[first] = _merged(known[first], unnamed)
    return [_finding(recipe) for recipe in list(known.values())[:MOST_FINDINGS]]


def _recipes(meta: Metadata, hidden: list[texts.Text]) -> list[Recipe]:
    gathered = [*texts.gather(meta), *hidden]
    braces = sum("{" in text.text[:200] for text in gathered)
    most = max(FEWEST_OBJECTS, recipes.MOST_OBJECTS // max(braces, 1))
    found = [(text.where, recognise(text.key, text.text, most)) for text in gathered]
    found += [("several texts", recipes.in_record(record)) for record in texts.records(meta)]
    return [replace(recipe, where=where) for where, recipe in found if recipe is not None]


def recognise(key: str, text: str, most_objects: int = recipes.MOST_OBJECTS) -> Recipe | None:
    """Which program's text this is; ``key`` is the PNG keyword, or "" where the place has none."""
    by_key = KEYS.get(key.lower())
    if by_key is not None and (recipe := by_key(text)) is not None:
        return recipe
    return recipes.recognise(text, most_objects) if len(text) >= texts.SHORTEST else None


def _invokeai(text: str) -> Recipe | None:
    value = recipes.json_in(text)
    if not isinstance(value, dict):
        return None
    recipe = recipes.in_json(value) or Recipe("InvokeAI")
    return replace(recipe, tool="InvokeAI", edits=False)


def _dream(text: str) -> Recipe | None:
    """InvokeAI's older command line, kept whole."""
    command = all(flag.search(text[:6000]) for flag in DREAM)
    return Recipe("InvokeAI", "", text.split(" -s")[0].strip('" ')) if command else None


def _named(tool: str) -> Callable[[str], Recipe | None]:
    return lambda text: Recipe(tool) if text.strip() else None


# Keywords of PNG that one program writes and no other.
KEYS: dict[str, Callable[[str], Recipe | None]] = {
    "invokeai_metadata": _invokeai,
    "invokeai_graph": _invokeai,
    "invokeai_workflow": _invokeai,
    "sd-metadata": _invokeai,
    "dream": _dream,
    "fooocus_scheme": _named("Fooocus"),
    "use_stable_diffusion_model": _named("Easy Diffusion"),
    "smproj": _named("Stability Matrix"),
    "hf-job-id": lambda text: Recipe(JOBS) if UUID_LIKE.fullmatch(text.strip()) else None,
}


def _merged(old: Recipe, new: Recipe) -> Recipe:
    prompt = max(old.prompt, new.prompt, key=len)
    return Recipe(old.tool, old.model or new.model, prompt, old.where, old.edits and new.edits)


def _finding(recipe: Recipe) -> Finding:
    title, detail = _words(recipe)
    says = Says.EDITED if recipe.edits else Says.AI
    values = facts(
        tool=recipe.tool, model=clean(recipe.model), prompt=clean(recipe.prompt, SENTENCE), where=recipe.where
    )
    return Finding(Source.GENERATOR, says, title, detail, facts=values)


def _words(recipe: Recipe) -> tuple[str, str]:
    if recipe.tool == JOBS:
        return SAYS_JOB
    if recipe.edits:
        return "Edited in ComfyUI", (
            "The file carries a ComfyUI graph that loads a picture and changes its size or cut. It names no "
            "step that generates."
        )
    prompt = clean(recipe.prompt, 120)
    said = f" Its prompt begins: “{prompt}”." if prompt else ""
    if recipe.tool == recipe_fields.UNNAMED:
        title, tool = "A generator's settings in the file", "image generators write into their pictures"
    else:
        title, tool = (
            f"{recipe.tool}: settings in the file",
            f"{recipe.tool} writes into pictures it generates",
        )
    return title, f"The file carries what {tool}.{said} Anyone can write or remove this."
