"""Prompts and settings recognised by their structure, whatever program wrote them, and wherever.

Three structures are known:

- JSON, at any depth and in strings of JSON, whose one object holds a prompt and at least two of
  steps, seed, sampler and guidance, by any of their usual spellings;
- ComfyUI's graphs (:mod:`mlcore.provenance.comfyui`);
- lines of ``name: value`` (:mod:`mlcore.provenance.infotext`).

Which program it was is told by its marks, if at all.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from mlcore.provenance import comfyui, infotext, vocabulary
from mlcore.provenance.recipe_fields import (
    FITS,
    MARKS,
    MOST_KEYS,
    NAMES,
    SETTINGS,
    UNNAMED,
    Recipe,
    model_of,
    normal,
    prompt_of,
    tool_of,
)

MOST_OBJECTS = 5000  # of JSON that are looked at
MOST_INNER = 40  # texts of JSON within JSON
DEEPEST = 24
LANGUAGE_MODEL = {"temperature", "topp", "topk", "maxtokens", "nctx", "messages", "tokens"}
PROGRAM_KEYS = {"software", "generator", "creatortool", "generatedby", "app", "application", "program"}
WITHOUT_PROMPT = {"steps", "sampler", "guidance"}
WEIGHTS = re.compile(r"\.(safetensors|ckpt|gguf|sft)\b", re.I)


def recognise(text: str, most_objects: int = MOST_OBJECTS) -> Recipe | None:
    """What generator's prompt and settings a text is, None for any other; never raises.

    ``most_objects`` of JSON are looked at.
    """
    value = json_in(text)
    recipe = in_json(value, most_objects) if isinstance(value, dict | list) else None
    return recipe or comfyui.cut_short(text) or infotext.in_lines(text)


def json_in(text: str) -> Any:
    """The JSON value that a text holds behind at most a short head; None for none, or for absurd depth.

    NaN and Infinity are let in, which Python and JavaScript programs write, as are bare newlines.
    """
    start = min(
        (place for place in (text.find("{", 0, 200), text.find("[", 0, 200)) if place >= 0), default=-1
    )
    if start < 0:
        return None
    try:
        return json.JSONDecoder(strict=False).raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None


def in_json(value: Any, most: int = MOST_OBJECTS) -> Recipe | None:
    """The graph or the settings among all objects of a JSON value; settings count before mere names."""
    objects = list(islice(_objects(value, most), most))
    if graph := comfyui.graph(objects):
        return graph
    read = [(_fields(keys), keys) for keys in objects]
    for test in (is_recipe, _has_marks, _names_generator):
        for fields, keys in read:
            if test(fields, keys):
                return _of_object(fields, keys, _marks(objects))
    return None


def _of_object(fields: dict[str, Any], keys: dict[str, Any], marks: str) -> Recipe:
    name = next((name for name, own in MARKS.items() if own <= keys.keys()), UNNAMED)
    prompt = fields.get("prompt") or keys.get("c") or keys.get("Description")
    return Recipe(tool_of(marks, name), model_of(fields.get("model")), prompt_of(prompt))


def in_record(record: dict[str, str]) -> Recipe | None:
    """Settings of which each stands under a name of its own, as texts."""
    fields = _fields(record)
    if not is_recipe(fields, record):
        return None
    own = "Sygil" if any(str(key).lower().startswith("sd:") for key in record) else UNNAMED
    return Recipe(
        tool_of(" ".join(record), own), model_of(fields.get("model")), prompt_of(fields.get("prompt"))
    )


def is_recipe(fields: dict[str, Any], keys: dict[str, Any]) -> bool:
    """Whether an object's fields are a generator's settings; ``keys`` are all of its keys."""
    prompted = "prompt" in fields or "negative" in fields
    enough = len(SETTINGS & fields.keys()) >= 2 if prompted else fields.keys() >= WITHOUT_PROMPT
    return enough and not LANGUAGE_MODEL & set(map(normal, keys))


def _names_generator(fields: dict[str, Any], keys: dict[str, Any]) -> bool:
    """A prompt beside a model that is a generator, or a program's name where JSON names its program."""
    model = model_of(fields.get("model"))
    if "prompt" in fields and (WEIGHTS.search(model) or vocabulary.generator(model)):
        return True
    programs = (str(value)[:60] for key, value in keys.items() if normal(key) in PROGRAM_KEYS)
    return any(map(vocabulary.generator, programs))


def _has_marks(fields: dict[str, Any], keys: dict[str, Any]) -> bool:
    return any(own <= keys.keys() for own in MARKS.values())


def _fields(keys: dict[str, Any]) -> dict[str, Any]:
    """An object's fields by their common names: its own first, then its children's."""
    fields: dict[str, Any] = {}
    children = [value for value in list(keys.values())[:MOST_KEYS] if isinstance(value, dict)]
    for owner in [keys, *children[:20]]:
        for key in list(owner)[:MOST_KEYS]:
            name = NAMES.get(normal(key))
            if name and name not in fields and FITS[name](owner[key]):
                fields[name] = owner[key]
    return fields


def _objects(value: Any, most: int) -> Iterator[dict[str, Any]]:
    """All objects of a JSON value, the outer before the inner, those in strings of JSON as well."""
    waiting, texts = deque([(value, 0)]), MOST_INNER
    for _ in range(8 * most):
        if not waiting:
            return
        value, depth = waiting.popleft()
        if isinstance(value, dict):
            yield value
        elif isinstance(value, str):
            texts -= 1
            value = json_in(value) if texts >= 0 else None
            waiting.append((value, depth + 1))
            continue
        if depth < DEEPEST and len(waiting) < most:
            waiting.extend((inner, depth + 1) for inner in _inner(value, most))


def _inner(value: Any, most: int) -> list[Any]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    kept = [each for each in list(islice(values, most)) if isinstance(each, dict | list | str)]
    return [each for each in kept if not isinstance(each, str) or each[:1] in ("{", "[")]


def _marks(objects: list[dict[str, Any]]) -> str:
    """Names and short values of the outer objects: enough to tell the program, no prompts."""
    words = []
    for keys in objects[:20]:
        for key, value in list(keys.items())[:60]:
            words.append(str(key)[:60])
            if NAMES.get(normal(key)) not in ("prompt", "negative") and isinstance(value, str):
                words.append(value[:60])
    return " ".join(words)
