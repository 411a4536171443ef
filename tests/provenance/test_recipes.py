"""Generators' settings by their structure, whatever program wrote them; and what only looks like it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mlcore.contracts import ProvenanceSummary, Says
from mlcore.provenance import examine, generators, recipes
from tests import hostile
from tests.provenance import makers, pieces

GRAPH = json.loads(makers.COMFY_PROMPT)
BOOK = {  # what one prompt with its settings looks like in each program's JSON
    "Hugging Face Space": {
        "prompt": "1girl", "negative_prompt": "bad", "resolution": "1024 x 1024", "guidance_scale": 5.5,
        "num_inference_steps": 24, "seed": 1, "sampler": "Euler a",
        "Model": {"Model": "x", "Model hash": "abc"},
    },
    "RuinedFooocus": {
        "Prompt": "1girl", "Negative": "bad", "steps": 30, "cfg": 8, "width": 64, "height": 64, "seed": 1,
        "sampler_name": "dpmpp_2m_sde_gpu", "scheduler": "karras", "base_model_name": "x.safetensors",
        "software": "RuinedFooocus",
    },
    "TensorArt": {
        "models": [], "prompt": "1girl", "negativePrompt": "bad", "width": 768, "seed": "1", "steps": 25,
        "cfgScale": 7, "samplerName": "Euler a", "baseModel": {"modelFileName": "EMS-1-EMS", "hash": "AB"},
    },
    "mflux": {
        "mflux_version": "0.9.0", "model": "dev", "seed": 1, "steps": 20, "guidance": 3.5, "quantize": 8,
        "prompt": "1girl",
    },
    "SwarmUI": {"sui_image_params": {"prompt": "1girl", "seed": 1, "steps": 20, "cfgscale": 7.0}},
    "InvokeAI": {
        "app_version": "3.0.2", "generation_mode": "txt2img", "positive_prompt": "1girl", "seed": 1,
        "steps": 30, "cfg_scale": 7.5, "scheduler": "euler",
        "model": {"model_name": "sd-1", "base_model": "sd-1"},
    },
    "InvokeAI, older": {
        "model_weights": "sd-1.4", "app_id": "invoke-ai/InvokeAI",
        "image": {"prompt": [{"prompt": "1girl", "weight": 1.0}], "steps": 50, "cfg_scale": 7.5, "seed": 1},
    },
    "Draw Things": {
        "c": "1girl", "uc": "", "model": "flux", "sampler": "DPM++ 2M", "steps": 8, "scale": 4, "seed": 3,
    },
    "NovelAI": {"prompt": "1girl", "steps": 28, "sampler": "k_euler", "seed": 1, "signed_hash": "x"},
    "Easy Diffusion": {
        "prompt": "1girl", "seed": 1, "num_inference_steps": 25, "guidance_scale": 7.5,
        "sampler_name": "euler", "use_stable_diffusion_model": "sd-v1-5",
    },
    "DiffusionBee": {"prompt": "1girl", "seed": 7, "ddim_steps": 25, "guidance_scale": 7.5},
    "prompt and seed, steps as text": {"textPrompt": "1girl", "randomSeed": "12345678901", "stepCount": "30"},
    "seeds in a list": {"prompts": 1, "prompt": ["1girl"], "seeds": [4, 5], "steps": 30.0},
    "settings in an object of their own": {"prompt": "1girl", "params": {"steps": 4, "seed": 1, "cfg": 1}},
    "under wrappers": {"data": {"items": [{"meta": {"prompt": "1girl", "steps": 4, "seed": 1}}]}},
    "JSON in JSON": {"Comment": json.dumps({"prompt": "1girl", "seed": 1, "steps": 9}), "Title": "x"},
    "JSON in JSON in JSON": {"a": json.dumps({"b": json.dumps({"prompt": "1girl", "seed": 1, "steps": 9})})},
    "a model of weights": {"prompt": "1girl", "model": "dreamshaper_8.safetensors"},
    "a generator as model": {"prompt": "1girl", "model": "dall-e-3", "size": "1024x1024"},
    "not a number": {"prompt": "1girl", "seed": 1, "steps": 20, "eta": float("nan"), "x": [float("-inf")]},
}  # fmt: skip
GRAPHS = {
    "executed": GRAPH,
    "drawn": json.loads(makers.COMFY_WORKFLOW),
    "under a key": {"prompt": GRAPH, "workflow": {}},
    "deep": {"a": [{"b": {"c": [GRAPH]}}]},
    "in a text of JSON": {"extra": json.dumps({"prompt": json.dumps(GRAPH)})},
    "with NaN": {**GRAPH, "9": {"class_type": "X", "inputs": {}, "is_changed": [float("nan"), float("inf")]}},
    "an unknown node": {"1": {"class_type": "MyNode", "inputs": {}}},
    "drawn by nodes of a package": {"nodes": [{"type": "Own", "pos": [1, 2], "properties": {"cnr_id": "x"}}]},
}
INFOTEXT = {
    "lines": makers.A1111,
    "dots": makers.A1111.replace("\n", "."),
    "spaces": makers.A1111.replace("\n", " "),
    "carriage returns": makers.A1111.replace("\n", "\r\n"),
    "no prompt": makers.A1111.split("\n")[-1],
    "semicolons": "Include in Image: a castle; Exclude from Image: ; Model: sd-2; Steps: 25; "
    "Guidance Scale: 11.0; Seed: 42; Scheduler: DPM-Solver++; Generator: Mochi Diffusion 5.0",
    "equals": "prompt=a castle, steps=20, seed=42, cfg_scale=7, sampler=euler",
    "YAML": "prompt: a castle\nseed: 42\nnum_inference_steps: 20\nguidance_scale: 7.5\n",
    "Python": "{'prompt': 'a castle', 'seed': 42, 'steps': 20, 'guidance': 3.5}",
    "JSON cut short": json.dumps({"prompt": "a castle", "seed": 42, "steps": 20, "cfg": 7})[:-4],
    "few settings": "a castle\nSteps: 20, Sampler: DPM++ 2M Karras, Seed: 42",
}
TEXTS = {f"JSON of {name}": json.dumps(value) for name, value in BOOK.items()}
TEXTS |= {f"graph, {name}": json.dumps(value) for name, value in GRAPHS.items()}
TEXTS |= {f"infotext, {name}": value for name, value in INFOTEXT.items()}
TEXTS["graph cut short"] = makers.COMFY_PROMPT[:-20]
TEXTS["a head before JSON"] = "Workflow: " + makers.COMFY_PROMPT

ORDINARY = {
    "a camera's": {"make": "Canon", "model": "EOS R5", "iso": 100, "exposure": 0.01, "sampler": "bayer"},
    "a shop's": {
        "id": 4,
        "prompt": "Buy now",
        "seed": 3,
        "model": "X100",
        "items": [{"steps": ["wash", "dry"]}],
    },
    "Photoshop's": {"layers": [{"name": "Background", "scale": 100}], "software": "Adobe Photoshop"},
    "a walk": {"steps": 10432, "seed": 7, "prompt": "How was your walk?", "track": [[1.2, 3.4]]},
    "steps and seed alone": {"steps": 20, "seed": 7, "lat": 48.1, "lon": 11.5},
    "a garden": {"seed": "carrot", "steps": 4, "prompt": "Water daily"},
    "a drum machine": {"sampler": "MPC", "steps": 16, "seed": 12, "bpm": 120},
    "a chat": {
        "prompt": "Describe the photo",
        "seed": 1,
        "temperature": 0.7,
        "top_p": 1,
        "sampler": "greedy",
    },
    "another program's graph": {"nodes": [{"type": "audio/osc", "pos": [0, 0]}], "links": []},
    "a list of things to do": {"nodes": ["my", "to-do", "list"]},
    "an automation": {"nodes": [{"type": "n8n.start", "position": [0, 0]}], "connections": {}},
    "a game": {"seed": 1234, "level": 3, "player": {"steps": 50}},
    "numbers that are none": {"prompt": "x", "steps": True, "seed": float("nan"), "cfg": float("inf")},
}
PROSE = {
    "a walk": "Steps: 10432, Distance: 7 km, Seed: none",
    "a recipe": "Steps: 3, Seed: 20 g of sesame, Scheduler: Anna",
    "a garden": "Steps: 4. Seed: carrot. Model: raised bed",
    "a quilt": "Sampler: 12 blocks, Steps: 4, Size: 50x50",
    "a tower": "Steps: how we climbed the tower. Sampler of cheeses.",
    "a stage": "Steps: 12. Prompt: the whisper from below. Negative: none",
}  # fmt: skip


def declares(data: bytes, image: Image.Image | None = None) -> bool:
    return examine(data, image, trust_dir=None).summary is ProvenanceSummary.DECLARED_AI


@pytest.mark.parametrize("name", TEXTS)
def test_settings_are_recognised_under_any_keyword(name):
    assert declares(makers.png(**{"Some Key": TEXTS[name]}))


@pytest.mark.parametrize("name", BOOK)
def test_prompt_is_read_from_json(name):
    recipe = recipes.recognise(json.dumps(BOOK[name]))
    assert recipe.prompt == "1girl"


@pytest.mark.parametrize("name", ["RuinedFooocus", "mflux", "SwarmUI", "InvokeAI", "Draw Things", "NovelAI"])
def test_program_is_told_by_its_marks(name):
    assert recipes.recognise(json.dumps(BOOK[name])).tool == name


@pytest.mark.parametrize("name", [name for name in INFOTEXT if name != "no prompt"])
def test_prompt_is_read_from_infotext(name):
    recipe = recipes.recognise(INFOTEXT[name])
    assert recipe.prompt.startswith("a castle") or name in ("Python", "JSON cut short")


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_json_declares_nothing(name):
    text = json.dumps(ORDINARY[name])
    for key in ("Comment", "parameters", "prompt", "workflow"):
        assert not declares(makers.png(**{key: text}))


@pytest.mark.parametrize("name", PROSE)
def test_prose_declares_nothing(name):
    assert not declares(makers.png(Description=PROSE[name]))
    assert not declares(makers.exif_jpeg({0x010E: PROSE[name]}))


def test_graph_that_only_scales_a_picture_is_an_edit():
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "ImageScale", "inputs": {"image": ["1", 0], "width": 64}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}},
    }
    (finding,) = generators.read(makers.png(prompt=json.dumps(graph)))
    assert (finding.says, finding.title) == (Says.EDITED, "Edited in ComfyUI")
    graph["4"] = {"class_type": "KSampler", "inputs": {}}
    (finding,) = generators.read(makers.png(prompt=json.dumps(graph)))
    assert finding.says is Says.AI


# --- Every place ------------------------------------------------------------------------------

JSON_TEXT = json.dumps(BOOK["Hugging Face Space"])
RAW = {"infotext": makers.A1111.encode(), "JSON": JSON_TEXT.encode(), "graph": makers.COMFY_PROMPT.encode()}


def webp(exif: bytes) -> bytes:
    return hostile.saved(hostile.gradient(64, 64), "WEBP", exif=exif)


def description(raw: bytes) -> bytes:
    escaped = raw.decode().replace("&", "&amp;").replace("<", "&lt;")
    body = (
        f"<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>{escaped}</rdf:li></rdf:Alt></dc:description>"
    )
    return makers.xmp(body)


def extended_xmp(raw: bytes) -> bytes:
    """The text in XMP's second block, as JPEGs keep what is too large for the first."""
    packet = description(raw)
    half = len(packet) // 2
    parts = [(0, packet[:half]), (half, packet[half:])]
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + len(packet).to_bytes(4, "big")
    segments = [pieces.segment(0xE1, head + at.to_bytes(4, "big") + part) for at, part in reversed(parts)]
    return pieces.jpeg_with(*segments)


def magick(raw: bytes) -> bytes:
    """ImageMagick's copy of a UserComment in PNG text."""
    numbers = ", ".join(str(byte) for byte in b"UNICODE\0" + raw.decode().encode("utf-16-be"))
    return makers.png(**{"exif:UserComment": numbers})


def tags(number: int, raw: bytes, kind: int = 2, sub: bool = False) -> bytes:
    return pieces.exif_jpeg(makers.tiff_tags({number: (kind, raw)}, sub=sub))


PLACES = {
    "PNG tEXt": lambda raw: pieces.png_with(pieces.text_chunk("Anything", raw)),
    "PNG zTXt": lambda raw: pieces.png_with(pieces.chunk(b"zTXt", b"k\0\0" + pieces.zlib.compress(raw))),
    "PNG iTXt": lambda raw: pieces.png_with(
        pieces.chunk(b"iTXt", b"k\0\1\0\0\0" + pieces.zlib.compress(raw))),
    "PNG eXIf": lambda raw: pieces.exif_png(makers.tiff_tags({0x9286: (7, b"ASCII\0\0\0" + raw)}, sub=True)),
    "ImageMagick's copy": magick,
    "GIF comment of one block or several": lambda raw: hostile.saved(hostile.gradient(), "GIF", comment=raw),
    "GIF comment at the end": lambda raw: pieces.gif_with(raw),
    "JPEG comment": lambda raw: pieces.jpeg_with(pieces.segment(0xFE, raw)),
    "UserComment": lambda raw: tags(0x9286, b"ASCII\0\0\0" + raw, 7, sub=True),
    "ImageDescription": lambda raw: tags(0x010E, raw),
    "Artist": lambda raw: tags(0x013B, raw),
    "Copyright": lambda raw: tags(0x8298, raw),
    "DocumentName": lambda raw: tags(0x010D, raw),
    "XPTitle": lambda raw: tags(0x9C9B, raw.decode().encode("utf-16-le"), 1),
    "XPComment": lambda raw: tags(0x9C9C, raw.decode().encode("utf-16-le"), 1),
    "XPAuthor": lambda raw: tags(0x9C9D, raw.decode().encode("utf-16-le"), 1),
    "XPKeywords": lambda raw: tags(0x9C9E, raw.decode().encode("utf-16-le"), 1),
    "XPSubject": lambda raw: tags(0x9C9F, raw.decode().encode("utf-16-le"), 1),
    "XPComment in UTF-8": lambda raw: tags(0x9C9C, raw, 1),
    "MakerNote": lambda raw: tags(0x927C, raw, 7, sub=True),
    "a tag of its own": lambda raw: tags(0xC0DE, raw),
    "IPTC caption": lambda raw: makers.iptc_jpeg(caption=raw.decode()),
    "IPTC instructions": lambda raw: makers.iptc_jpeg(instructions=raw.decode()),
    "XMP in a JPEG": lambda raw: makers.xmp_file("JPEG", description(raw)),
    "XMP in a PNG": lambda raw: makers.xmp_file("PNG", description(raw)),
    "XMP in a WebP": lambda raw: makers.xmp_file("WEBP", description(raw)),
    "XMP in an AVIF": lambda raw: makers.xmp_file("AVIF", description(raw)),
    "XMP in a HEIC": lambda raw: makers.xmp_file("HEIF", description(raw)),
    "XMP's second block": extended_xmp,
    "EXIF in a WebP": lambda raw: webp(makers.tiff_tags({0x9286: (7, b"ASCII\0\0\0" + raw)}, sub=True)),
    "EXIF in an AVIF": lambda raw: hostile.saved(
        hostile.gradient(64, 64), "AVIF", exif=makers.tiff_tags({0x010E: (2, raw)})),
    "EXIF in a HEIC": lambda raw: hostile.saved(
        hostile.gradient(64, 64), "HEIF", exif=makers.tiff_tags({0x010E: (2, raw)})),
    "TIFF": lambda raw: hostile.saved(hostile.gradient(), "TIFF", tiffinfo={270: raw.decode()}),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", RAW)
def test_settings_are_recognised_wherever_they_stand(place, kind):
    assert declares(PLACES[place](RAW[kind]))


@pytest.mark.parametrize("place", PLACES)
def test_a_plain_text_declares_nothing_wherever_it_stands(place):
    assert not declares(PLACES[place](b"A castle on a hill, seen on our way to the sea. Model: Canon EOS R5"))


def test_settings_each_under_a_keyword_of_its_own():
    sygil = {"SD:prompt": "a cottage", "SD:seed": "247624793", "SD:steps": "20", "SD:cfg_scale": "7.5"}
    (finding,) = generators.read(makers.png(**sygil))
    assert (finding.facts["tool"], finding.facts["prompt"]) == ("Sygil", "a cottage")
    assert generators.read(makers.png(prompt="Press any key", seed="carrot", steps="3")) == []


def test_novelai_in_a_webp():
    inner = json.dumps(BOOK["NovelAI"])
    outer = json.dumps({"Comment": inner, "Description": "1girl", "Software": "NovelAI", "Title": "x"})
    exif = makers.tiff_tags({0x9286: (7, b"ASCII\0\0\0" + outer.encode())}, sub=True)
    (finding,) = generators.read(webp(exif))
    assert (finding.facts["tool"], finding.facts["prompt"]) == ("NovelAI", "1girl")


# --- Lowest bits of the pixels ------------------------------------------------------------------


@pytest.mark.parametrize(
    "signature", ["stealth_pnginfo", "stealth_pngcomp", "stealth_rgbinfo", "stealth_rgbcomp"]
)
@pytest.mark.parametrize("form", ["PNG", "WEBP"])
@pytest.mark.parametrize("text", [makers.A1111, JSON_TEXT], ids=["infotext", "JSON"])
def test_stealth_text_in_files_without_loss(signature, form, text):
    image = makers.stealth(text, signature)
    data = hostile.saved(image, form, **({"lossless": True, "exact": True} if form == "WEBP" else {}))
    assert declares(data, image)
    assert not declares(data)  # a file that cannot be decoded is not decoded for this either


def test_stealth_text_that_is_no_recipe_declares_nothing():
    image = makers.stealth("greetings from the sea, nothing else")
    assert not declares(hostile.saved(image, "PNG"), image)


@pytest.mark.parametrize("length", [0, 7, 0xFFFFFFFF])
def test_stealth_length_that_lies(length):
    image = makers.stealth(makers.A1111, "stealth_pnginfo")
    alpha = np.asarray(image)[:, :, 3]
    assert recipes.recognise(makers.A1111) is not None
    flat = alpha.T.reshape(-1).copy()
    flat[120:152] = (flat[120:152] & 0xFE) | np.unpackbits(np.frombuffer(length.to_bytes(4, "big"), np.uint8))
    image.putalpha(Image.fromarray(np.ascontiguousarray(flat.reshape(64, 48).T)))
    assert not declares(hostile.saved(image, "PNG"), image)


def test_stealth_bomb_is_inflated_no_further_than_the_limit():
    from mlcore.provenance import stealth

    image = makers.stealth("a" * (8 << 20), size=(512, 256))
    (text,) = stealth.read(hostile.saved(image, "PNG"))
    assert len(text.text) <= stealth.MOST_BYTES


@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["prompt", "seed", "steps", "nodes", "inputs", "class_type", "c", "type", "pos"]),
        inner, max_size=5),
    max_leaves=30,
))  # fmt: skip
def test_any_json_is_survived(value):
    recipe = recipes.recognise(json.dumps(value))
    assert recipe is None or recipe.tool
