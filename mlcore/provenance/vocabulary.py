"""Words that programs write into files, and what each of them says about a picture's origin.

``SOURCE_TYPES``: IPTC NewsCodes "digitalsourcetype" (cv.iptc.org), whose last part is the term.
Only a whole statement counts: that a picture was edited with a trained model does not make all
of it generated.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from mlcore.contracts import Says

SOURCE_TYPES: dict[str, tuple[Says, str]] = {
    "trainedAlgorithmicMedia": (Says.AI, "made by generative AI"),
    "compositeWithTrainedAlgorithmicMedia": (Says.EDITED, "edited with generative AI"),
    "compositeSynthetic": (Says.EDITED, "put together from parts, some of them generated"),
    "composite": (Says.EDITED, "put together from several pictures"),
    "compositeCapture": (Says.EDITED, "put together from several photographs"),
    "humanEdits": (Says.EDITED, "edited by a person"),
    "minorHumanEdits": (Says.EDITED, "lightly edited by a person"),
    "algorithmicallyEnhanced": (Says.EDITED, "improved by a program"),
    "digitalCapture": (Says.CAMERA, "taken with a digital camera"),
    "computationalCapture": (Says.CAMERA, "taken with a digital camera that merges several shots"),
    "multiFrameComputationalCapture": (Says.CAMERA, "taken with a digital camera that merges several shots"),
    "negativeFilm": (Says.CAMERA, "scanned from a negative"),
    "positiveFilm": (Says.CAMERA, "scanned from a slide"),
    "print": (Says.CAMERA, "scanned from a print"),
    "digitalArt": (Says.INFO, "drawn by a person with a program"),
    "digitalCreation": (Says.INFO, "drawn by a person with a program"),
    "softwareImage": (Says.INFO, "drawn by a person with a program"),
    "algorithmicMedia": (Says.INFO, "made by a program that was not trained on pictures"),
    "dataDrivenMedia": (Says.INFO, "drawn from data by a program"),
    "virtualRecording": (Says.INFO, "recorded in a virtual world"),
    "screenCapture": (Says.INFO, "a picture of a screen"),
}

# Of these a part may be generated, and the picture is not.
COMPOSITES = {"compositeWithTrainedAlgorithmicMedia", "compositeSynthetic", "composite"}
# The term that is meant by other spellings: those of C2PA's guidance, and the names that IPTC shows.
_MEANT = {
    "compositedWithTrainedAlgorithmicMedia": "compositeWithTrainedAlgorithmicMedia",
    "createdUsingGenerativeAI": "trainedAlgorithmicMedia",
    "editedUsingGenerativeAI": "compositeWithTrainedAlgorithmicMedia",
}
_TERMS = {
    **{term.lower(): term for term in SOURCE_TYPES},
    **{other.lower(): term for other, term in _MEANT.items()},
}

# Names that stand for nothing but a generator. Words that people also use for other things
# (gemini, flux, imagen as a word of French) count only in the company written here.
GENERATORS: tuple[tuple[str, str], ...] = tuple(
    (pattern, name)
    for pattern, name in (
        (r"\bmidjourney\b", "Midjourney"),
        (r"\bdall[-·• ]?e\b", "DALL·E"),
        (r"\bchatgpt\b|\bgpt-image\b|\bgpt-4o\b|\bopenai\b", "OpenAI"),
        (r"\bstable[ -]?diffusion\b|\bstability\.? ?ai\b|\bsdxl\b", "Stable Diffusion"),
        (r"\bcomfyui\b", "ComfyUI"),
        (r"\binvokeai\b", "InvokeAI"),
        (r"\bnovelai\b", "NovelAI"),
        (r"\bfooocus\b", "Fooocus"),
        (r"\bdraw things\b", "Draw Things"),
        (r"\bdiffusionbee\b", "DiffusionBee"),
        (r"\badobe firefly\b", "Adobe Firefly"),
        (r"\bmade with google ai\b|\bgoogle (gemini|imagen)\b|\bgemini (app|image)\b", "Google AI"),
        (r"\bnano banana\b", "Google AI"),
        (r"\bideogram( ai)?\b", "Ideogram"),
        (r"\bleonardo\.? ?ai\b", "Leonardo.Ai"),
        (r"\bblack forest labs\b|\bai generated;(txt|img)2img\b|\bflux[.-](1|2|dev|schnell|pro)\b", "FLUX"),
        (r"\bbing image creator\b|\bmicrosoft designer\b", "Microsoft"),
        (r"\bimage playground\b", "Apple Image Playground"),
        (r"\bimagined with ai\b|\bmeta ai\b", "Meta AI"),
        (r"\bgrok\b|\bxai (grok|aurora)\b", "Grok"),
        (r"\brecraft\b", "Recraft"),
        (r"\breve\.com\b", "Reve"),
        (r"\baphrodite ai\b", "Aphrodite AI"),
        (r"\bnightcafe\b", "NightCafe"),
        (r"\bcraiyon\b", "Craiyon"),
        (r"\bplayground ?ai\b", "Playground"),
        (r"(?<!not )(?<!no )(?<!non-)\bai[- ]generated\b", "a generator that is not named"),
    )
)  # fmt: skip
EDITED_WITH_AI = re.compile(r"\bedited with (google )?ai\b|\bmagic eraser\b|\bgenerative fill\b", re.I)
EDITORS = re.compile(
    r"photoshop|lightroom|camera raw|gimp|affinity|snapseed|pixelmator|picsart|facetune|luminar|capture one"
    r"|darktable|rawtherapee|paint\.net|canva|vsco|meitu|remini|faceapp|topaz|acdsee|photoscape|polarr"
    r"|corel|paintshop|krita|procreate|fotor|beautyplus|photodirector|photolab|imagemagick",
    re.I,
)


def generator(text: str) -> str:
    """The generator that a name or credit stands for, "" for none."""
    sample = text[:2000]
    return next((name for pattern, name in GENERATORS if re.search(pattern, sample, re.I)), "")


def source_type(text: str) -> tuple[str, Says, str] | None:
    """(term, what it speaks for, in words) of a DigitalSourceType address, short code or bare term.

    Writers differ in case, scheme, queries ("?lang=en"), fragments and slashes at the end, and some
    write the name that IPTC shows in place of the term.
    """
    address = unquote(" ".join(text[:300].split())).split("?")[0]
    for part in reversed([address, *re.split(r"[/#]", address)]):  # a fragment may be the term, or follow it
        if known := _TERMS.get(re.sub(r"[\s_-]", "", part.rpartition(":")[2]).lower()):
            return (known, *SOURCE_TYPES[known])
    return None
