from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.contracts import Says, Source
from mlcore.provenance import generators
from tests import hostile
from tests.provenance import makers

NOVEL = json.dumps({"prompt": "1girl, castle", "steps": 28, "sampler": "k_euler", "signed_hash": "x"})
DRAW = json.dumps(
    {"c": "a quiet pond", "model": "flux_1_schnell.ckpt", "sampler": "DPM++", "steps": 4, "scale": 1}
)
SWARM = json.dumps({"sui_image_params": {"prompt": "a bridge", "model": "sdxl"}})
FOOOCUS = json.dumps({"prompt": "a bee", "full_prompt": ["a bee, sharp"], "base_model": "juggernautXL"})
INVOKE = json.dumps(
    {"generation_mode": "txt2img", "positive_prompt": "a boat", "model": {"name": "dreamlike"}}
)

FILES = {
    "web ui": (makers.png(parameters=makers.A1111), "Stable Diffusion web UI", "dreamshaper_8", "a castle"),
    "web ui in a JPEG": (
        makers.exif_jpeg(sub={0x9286: makers.user_comment(makers.A1111)}),
        "Stable Diffusion web UI", "dreamshaper_8", "a castle on",
    ),
    "web ui in a WebP": (
        hostile.saved(hostile.gradient(64, 64), "WEBP", exif=makers.exif_jpeg(
            sub={0x9286: makers.user_comment(makers.A1111)}).split(b"Exif\0\0", 1)[1][:2000]),
        "Stable Diffusion web UI", "dreamshaper_8", "a castle on",
    ),
    "comfyui": (
        makers.png(prompt=makers.COMFY_PROMPT, workflow=makers.COMFY_WORKFLOW),
        "ComfyUI", "sd_xl_base_1.0.safetensors", "a red fox",
    ),
    "comfyui in Model": (
        makers.exif_jpeg({0x0110: "prompt:" + makers.COMFY_PROMPT}), "ComfyUI", "sd_xl", "a red fox",
    ),
    "invokeai": (makers.png(invokeai_metadata=INVOKE), "InvokeAI", "dreamlike", "a boat"),
    "invokeai, older": (
        makers.png(Dream='"a mill by the sea" -s 50 -W 512 -H 512 -C 7.5 -S 123'), "InvokeAI", "", "a mill",
    ),
    "novelai": (makers.png(Software="NovelAI", Comment=NOVEL), "NovelAI", "", "1girl"),
    "fooocus": (makers.png(parameters=FOOOCUS, fooocus_scheme="fooocus"), "Fooocus", "juggernautXL", "a bee"),
    "fooocus as web ui": (
        makers.png(parameters=makers.A1111 + ", Version: Fooocus v2.5.0"), "Fooocus", "dreamshaper", "a",
    ),
    "draw things": (
        makers.xmp_file("PNG", makers.xmp(
            f"<exif:UserComment><rdf:Alt><rdf:li>{DRAW}</rdf:li></rdf:Alt></exif:UserComment>",
            'xmp:CreatorTool="Draw Things"')),
        "Draw Things", "flux_1_schnell.ckpt", "a quiet pond",
    ),
    "swarm": (makers.png(parameters=SWARM), "SwarmUI", "sdxl", "a bridge"),
    "comment of a GIF": (
        hostile.saved(hostile.gradient(), "GIF", comment=makers.A1111.encode()),
        "Stable Diffusion web UI", "dreamshaper_8", "a castle",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_program_model_and_prompt(name):
    data, tool, model, prompt = FILES[name]
    (finding,) = generators.read(data)
    assert (finding.source, finding.says) == (Source.GENERATOR, Says.AI)
    assert finding.facts["tool"] == tool
    assert finding.facts.get("model", "").startswith(model)
    assert finding.facts["prompt"].startswith(prompt)
    assert not finding.signed


def test_the_number_of_a_hosted_job():
    (finding,) = generators.read(makers.png(**{"hf-job-id": makers.UUID}))
    assert finding.title == "Number of a hosted image job"
    assert generators.read(makers.png(**{"hf-job-id": "hello there"})) == []


@pytest.mark.parametrize(
    "texts",
    [
        {"Comment": "Created with GIMP"},
        {"Description": "Steps: how we climbed the tower. Sampler of cheeses."},
        {"prompt": "a word that means nothing here"},
        {"workflow": '{"nodes": ["my", "to-do", "list"]}'},
        {"parameters": '{"exposure": 1.5}'},
        {"Comment": '{"prompt": "press any key"}'},
        {"Software": "gnome-screenshot", "Creation Time": "today"},
    ],
)
def test_what_people_write_is_no_recipe(texts):
    assert generators.read(makers.png(**texts)) == []


def test_a_long_prompt_is_shortened_and_cleaned():
    data = makers.png(parameters="\u202egat\x07a " * 5000 + makers.A1111)
    (finding,) = generators.read(data)
    assert len(finding.facts["prompt"]) <= 300
    assert finding.facts["prompt"].isprintable()
    assert len(finding.detail) < 500


def test_prompt_and_workflow_become_one_finding():
    assert len(generators.read(FILES["comfyui"][0])) == 1


@given(st.sampled_from(sorted(generators.KEYS)), st.text(max_size=300))
def test_any_text_under_any_key_is_survived(key, text):
    for written in (text, json.dumps({"nodes": text, text: [text]})):
        found = generators.recognise(key, written)
        assert found is None or found.tool
