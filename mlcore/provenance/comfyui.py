"""ComfyUI's graphs: the executed one, and the one that its page draws."""

from __future__ import annotations

import re
from typing import Any

from mlcore.provenance.recipe_fields import Recipe, is_text

MOST_NODES = 5000

# What only loads, changes and saves a picture. Of any other node nothing is known, so it may generate.
PLAIN_NODE = re.compile(
    r"(Load|Save|Preview|Get|Empty)Image\w*|ImageUpscaleWithModel|UpscaleModelLoader|Image(Scale|Upscale|Resize|Crop"
    r"|Pad|Invert|Rotate|Flip|Blur|Sharpen|Quantize|Blend|Batch)\w*|Reroute|Note|MarkdownNote|Primitive\w*"
    r"|(Mask|Solid|Invert|Crop|Feather|Grow)Mask\w*"
)
COMFY_NODE = re.compile(
    r"KSampler|CLIPTextEncode|VAE(De|En)code|CheckpointLoader|UNETLoader|(Save|Load|Preview)Image"
)
BROKEN_GRAPH = re.compile(r'\\?"class_type\\?"\s*:\s*\\?"\w')


def graph(objects: list[dict[str, Any]]) -> Recipe | None:
    """An executed graph (nodes with ``class_type``) or a drawn one (a list of ``nodes``)."""
    executed = [
        node for node in objects if is_text(node.get("class_type")) and isinstance(node.get("inputs"), dict)
    ]
    drawn = [node for each in objects for node in _drawn(each)]
    kinds = [str(node.get("class_type") or node.get("type")) for node in executed + drawn]
    if not kinds:
        return None
    inputs = [node["inputs"] for node in executed]
    model = next(filter(None, (_first(each, "ckpt_name", "unet_name", "model_name") for each in inputs)), "")
    prompts = [_first(each, "text", "prompt", "text_g", "t5xxl", "positive", "string") for each in inputs]
    edits = any("LoadImage" in kind for kind in kinds) and all(map(PLAIN_NODE.fullmatch, kinds))
    return Recipe("ComfyUI", model, max(prompts, key=len, default=""), edits=edits)


def _drawn(keys: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a workflow as ComfyUI's page draws it, and no other program that uses the same library."""
    nodes = keys.get("nodes")
    if not isinstance(nodes, list):
        return []
    nodes = [node for node in nodes[:MOST_NODES] if isinstance(node, dict) and "pos" in node]
    return nodes if any(map(_is_comfy, nodes)) else []


def _is_comfy(node: dict[str, Any]) -> bool:
    properties = node.get("properties")
    own = isinstance(properties, dict) and bool({"Node name for S&R", "cnr_id"} & properties.keys())
    return own or bool(COMFY_NODE.match(str(node.get("type"))))


def cut_short(text: str) -> Recipe | None:
    """A graph that was cut short, as fields with a limit do it."""
    return Recipe("ComfyUI") if BROKEN_GRAPH.search(text) and '"inputs' in text.replace("\\", "") else None


def _first(keys: dict[str, Any], *names: str) -> str:
    """The first of these that is a text; numbers, lists and links of a graph are passed over."""
    return next((keys[name] for name in names if is_text(keys.get(name))), "")
