"""Every sentence that people read about a detection. The browser makes none of its own."""

from __future__ import annotations

from typing import Any

from detection.answers import Answer, answer_of, pixels_may_speak
from detection.models import Detection, StageRun
from mlcore.contracts import Basis, Verdict
from mlcore.decision import PIXELS_FAKE, PIXELS_REAL, UNDECIDED
from mlcore.overlay import EVIDENCE

TRAINED_SIDE = 32  # px, a side of a CIFAKE image
CAUTION_SIDE = 64  # px, above which the verdict says little

CAUTION_OF_SOME = (
    f"Some of these are larger than {CAUTION_SIDE} pixels a side. The model was trained on CIFAKE, images "
    f"of {TRAINED_SIDE} × {TRAINED_SIDE} pixels, and says little about larger pictures: do not rely on its "
    "verdicts alone."
)

# Where the answer rests on what the file says, the words say whose word it is.
ANSWER_WORDS: dict[str, str] = {
    Answer.MEASURED_AI: "Probably AI-generated",
    Answer.DECLARED_AI: "Declared AI-generated: the file says so",
    Answer.SIGNED_AI: "AI-generated, says a trusted signature",
    Answer.MEASURED_REAL: "Probably a real photo",
    Answer.SIGNED_CAMERA: "A camera photo, says a trusted signature",
    Answer.NOT_SURE: "Not sure",
}
# The same where there is less room: filters, counts.
ANSWER_LABELS: dict[str, str] = ANSWER_WORDS | {
    Answer.DECLARED_AI: "Declared AI-generated",
    Answer.SIGNED_AI: "Signed as AI-generated",
    Answer.SIGNED_CAMERA: "Signed by a camera",
}
WAITING_WORDS = "Being examined…"
FAILED_WORDS = "Could not be examined"
# Pages show it only to those who have waited for some seconds.
PATIENCE = (
    "This takes longer than usual. The model may still be loading, other images may come first, or the file "
    "may take long to read."
)

STATE_WORDS: dict[str, str] = {
    StageRun.State.QUEUED: "Waiting",
    StageRun.State.RUNNING: "Working",
    StageRun.State.DONE: "Done",
    StageRun.State.FAILED: "Failed",
    StageRun.State.SKIPPED: "Skipped",
}


def verdict_words(detection: Detection, failed: bool) -> str:
    if not detection.verdict:
        return FAILED_WORDS if failed else WAITING_WORDS
    return ANSWER_WORDS[answer_of(detection.verdict, detection.basis) or Answer.NOT_SURE]


def explanation(detection: Detection, failed: bool) -> str:
    """One sentence that says what the number means, or why there is none."""
    if not detection.verdict:
        return _no_number(failed)
    unstable = detection.decision.get("key") == "unstable"
    if unstable or not pixels_may_speak(detection.verdict, detection.basis):
        return str(detection.decision.get("reason", ""))
    return by_number(detection.verdict, detection.p_fake or 0.0)


def by_number(verdict: str, p_fake: float) -> str:
    fake, real = _chance(p_fake), _chance(1 - p_fake)
    if verdict == "fake":
        return (
            f"The model puts the chance that this image was made by AI at {fake}: "
            "a hint from patterns in its pixels, not a proof."
        )
    if verdict == "real":
        return (
            f"The model puts the chance that this is a real photo at {real}: "
            "a hint from patterns in its pixels, not a proof."
        )
    return "The model leans to neither side far enough: treat this as no answer."


BASES = {
    Basis.PIXELS: "By its pixels",
    Basis.SIGNED: "By a trusted signature",
    Basis.DECLARED: "By the file’s own word",
    Basis.NONE: "Nothing to go by",
}


def basis_words(detection: Detection) -> str:
    """What the answer rests on, for lists; "" while there is none."""
    return BASES[Basis(detection.basis or "pixels")] if detection.verdict else ""


def basis_text(detection: Detection) -> str:
    """What the answer rests on, in one sentence; "" while there is none."""
    if not detection.verdict:
        return ""
    reason = detection.decision.get("reason") or _REASONS[detection.verdict]
    return " ".join([reason, *(WITHOUT[part] for part in detection.decision.get("without", []))])


_REASONS = {"fake": PIXELS_FAKE, "real": PIXELS_REAL, "uncertain": UNDECIDED}  # of older records
# What could have changed the answer but failed, by its name in the decision.
WITHOUT = {
    "verdict": "The model could not examine the picture, so this answer rests on the file alone.",
    "provenance": "What the file says about its origin could not be read, so this answer rests without it.",
    "stability": "It could not be tested on changed copies of the picture, so it rests without that.",
}


def error_rate(rate: str) -> str:
    """ "0.005" → "Of 200 images with this answer, about 1 is wrong."; "" where nobody has measured it."""
    return {
        "0.005": "Of 200 images with this answer, about 1 is wrong.",
        "0.01": "Of 100 images with this answer, about 1 is wrong.",
        "0.02": "Of 100 images with this answer, about 2 are wrong.",
    }.get(rate, "")


# What a file's facts are called, where the parser's own word is a technician's.
FACT_LABELS = {
    "quality": "JPEG quality, of 100",
    "colour_quality": "JPEG quality of the colours, of 100",
    "standard_tables": "compression tables of the common library",
    "chroma": "colour subsampling",
    "scans": "passes in the file",
    "progressive": "loads in passes",
    "photoshop": "written the way Photoshop does",
    "bits": "bits a channel",
    "likeness": "likeness of preview and picture, of 1",
}

# For the settings: label and detail of each rate that an organisation may choose.
RATES = {
    "0.005": ("Strict", "About 1 of 200 answers is wrong. “Not sure” comes more often."),
    "0.01": ("Usual", "About 1 of 100 answers is wrong."),
    "0.02": ("Loose", "About 2 of 100 answers are wrong. “Not sure” comes less often."),
}


def raw_score(p_fake: float) -> str:
    """The model's number, for experts: under the details, and never as the answer."""
    return f"The model’s raw number is {p_fake:.3f}, on a line from 0 (real photo) to 1 (made by AI)."


def no_answer_of_pixels(verdict: str, basis: str) -> str:
    """Why the model's numbers are not a part of the answer; "" where they are."""
    return "" if pixels_may_speak(verdict, basis) else NO_ANSWER_OF_PIXELS.get(basis, "")


NO_ANSWER_OF_PIXELS = {
    "none": "This is no answer: for a picture outside of what the model knows, its numbers mean nothing.",
    "declared": "This is no answer: what the file says decides here, the model’s number has no part in it.",
    "signed": "This is no answer: a trusted signature decides here, the model’s number has no part in it.",
}
NOTHING_TO_EXPLAIN = (
    "There is no map of this picture: its answer does not rest on the pixels, so nothing in them explains it."
)
NO_ANSWER_YET = "There is no map of this picture yet: it has no answer that one could explain."


def caution(facts: dict[str, Any]) -> str:
    """What the model's training says about pictures of this size; "" where it fits."""
    if max(facts["width"], facts["height"]) <= CAUTION_SIDE:
        return ""
    return (
        f"This image has {dimensions(facts)} pixels. The model was trained on CIFAKE, images of "
        f"{TRAINED_SIDE} × {TRAINED_SIDE} pixels, and says little about larger pictures: "
        "do not rely on this verdict alone."
    )


def made_small(of_100: int | None) -> str:
    """What nobody can see of a small picture. ``of_100``: how often the answer was then “real” for AI's."""
    if of_100 is None:
        return ""
    return (
        "If it was made from a large picture, that may not show, and the answer then means little: of 100 "
        f"large AI-generated pictures that were made as small and saved as JPEG, up to {of_100} were called "
        "real."
    )


def legend(shown: str) -> str:
    """What the bright areas of the heat map speak for (a verdict by pixels); "" while there is none."""
    if not shown:
        return ""
    evidence = EVIDENCE[Verdict(shown)]
    return f"{evidence[0].upper()}{evidence[1:]}: the brighter an area, the more it spoke for it."


def objects(run: StageRun, count: int, guesses: int) -> str:
    """What stands above the list of objects, whatever has become of the search for them."""
    match run.state:
        case StageRun.State.DONE if guesses and not count:
            return "No object was recognised with enough certainty."
        case StageRun.State.DONE if count:
            return "1 object was recognised." if count == 1 else f"{count} objects were recognised."
        case StageRun.State.DONE:
            return "No object was recognised: the detector knows 80 everyday things."
        case StageRun.State.FAILED | StageRun.State.SKIPPED:
            return "Objects were not looked for: the stages below give the reason."
        case _:
            return "Looking for objects…"


def guesses(kinds: list[str]) -> str:
    """What the detector may have seen, and may have made up; "" where there is no such thing."""
    return f"Less sure, and often not there: {', '.join(kinds)}." if kinds else ""


def agreement(agree: float, count: int) -> str:
    """What the stability stage found."""
    same = round(agree * count)
    if same == count:
        return f"All {count} changed copies of the picture got the same answer."
    return f"{same} of {count} changed copies of the picture got the same answer."


def no_stability(detection: Detection) -> str:
    """Why there is no table of changed copies."""
    if not detection.verdict:
        return NOT_YET
    if not pixels_may_speak(detection.verdict, detection.basis):
        return "The answer does not rest on the pixels, so there is nothing that changed copies could test."
    if detection.decision.get("key") == "undecided":
        return "The model decided for neither side, so there is no answer that changed copies could test."
    return "The answer was not tested on changed copies of the picture."


def no_provenance(detection: Detection, runs: list[StageRun]) -> str:
    """Why nothing stands where the file's own word would."""
    states = [run.state for run in runs if run.stage == "provenance"]
    over = not states or states[0] in StageRun.FINAL
    return "What the file says about its origin was not read." if over else NOT_YET


NOT_YET = "Nothing to show yet."


def explained(faithfulness: dict[str, Any] | None) -> str:
    """Whether a map was better than chance at finding what moved the model."""
    if not faithfulness:
        return ""
    if faithfulness["better"]:
        return "Tested: covering what this map marks changes the answer more than covering random parts."
    return (
        "No better than a random map for this picture: covering what it marks changes the answer no more "
        "than covering random parts. Do not rely on it."
    )


TIME = "It can take a minute: its program is loaded first, and other images may come before."
MAPS = {
    "gradcam_pp": f"Follows what moved the network’s last look at the picture. {TIME}",
    "lime": f"Hides patches of the picture and watches how the answer changes. {TIME}",
    "shap": f"Shares the answer out fairly among the pixels. {TIME}",
}
NOT_ASKED = "Not made yet."

SOURCES = {
    "c2pa": "Content Credentials in the file",
    "metadata": "Notes in the file (EXIF, IPTC, XMP): anyone can write or remove them",
    "generator": "Text that image generators write into files: anyone can write or remove it",
    "watermark": "Hidden mark in the pixels",
    "encoding": "How the file was saved",
}
MODEL_TITLES = {
    "fake": "The pixels look AI-generated",
    "real": "The pixels look like a photo",
    "uncertain": "The pixels speak clearly for neither side",
    "unstable": "The pixels speak for one side, but not reliably",
}
MODEL_TEXT = "The bright parts of the picture moved the model most."
OUTSIDE_TITLE = "The model does not know pictures like this"
# The answer above has said why: this says what follows.
OUTSIDE_TEXT = (
    "About pictures that it does not know, it is wrong too often to be asked. "
    "Look at what the file says about its origin instead."
)
STABLE_TITLES = {True: "The answer holds", False: "The answer changes"}
NOTHING_TITLE = "Nothing about its origin in the file"


def several(name: str, count: int) -> str:
    return name if count == 1 else f"{name} × {count}"


def percent(share: float | None) -> str:
    """0.973 → "97.3 %". Never rounds a doubt away: 0.9999 is "> 99.9 %"."""
    if share is None:
        return ""
    if share > 0.999:
        return "> 99.9 %"
    if share < 0.001:
        return "< 0.1 %"
    return f"{share * 100:.1f} %"


def duration(milliseconds: float | None) -> str:
    """12.3 → "12 ms", 1234 → "1.2 s", 75,000 → "1 min 15 s"."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{max(1, round(milliseconds))} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"


def size(count: int) -> str:
    if count < 1024:
        return f"{count} bytes"
    if count < 1024**2:
        return f"{count / 1024:.1f} KB"
    return f"{count / 1024**2:.1f} MB"


def dimensions(facts: dict[str, Any]) -> str:
    return f"{facts['width']:,} × {facts['height']:,}"


def _chance(share: float) -> str:
    """A percentage within a sentence, which no line may break."""
    words = percent(share).replace("> ", "more than ").replace("< ", "less than ")
    return words.replace(" %", "\N{NO-BREAK SPACE}%")


def _no_number(failed: bool) -> str:
    if failed:
        return "The model could not examine this image: the stages below give the reason."
    return (
        "The answer appears here by itself as soon as the picture and what its file says have been examined."
    )
