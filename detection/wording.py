"""Every sentence that people read about a detection. The browser makes none of its own."""

from __future__ import annotations

from typing import Any

from detection.models import Detection, StageRun
from mlcore.contracts import Verdict
from mlcore.overlay import EVIDENCE

TRAINED_SIDE = 32  # px, a side of a CIFAKE image
CAUTION_SIDE = 64  # px, above which the verdict says little

CAUTION_OF_SOME = (
    f"Some of these are larger than {CAUTION_SIDE} pixels a side. The model was trained on CIFAKE, images "
    f"of {TRAINED_SIDE} × {TRAINED_SIDE} pixels, and says little about larger photos: do not rely on its "
    "verdicts alone."
)

VERDICT_WORDS = {
    "fake": "Probably AI-generated",
    "real": "Probably a real photo",
    "uncertain": "Not sure",
}
WAITING_WORDS = "Waiting for the model…"
FAILED_WORDS = "Could not be examined"
# Pages show it only to those who have waited for some seconds.
PATIENCE = "This takes longer than usual: the model is still being loaded, or other images come first."

STATE_WORDS = {
    StageRun.State.QUEUED: "Waiting",
    StageRun.State.RUNNING: "Working",
    StageRun.State.DONE: "Done",
    StageRun.State.FAILED: "Failed",
    StageRun.State.SKIPPED: "Skipped",
}


def verdict_words(detection: Detection, failed: bool) -> str:
    if detection.verdict:
        return VERDICT_WORDS[detection.verdict]
    return FAILED_WORDS if failed else WAITING_WORDS


def explanation(detection: Detection, failed: bool) -> str:
    """One sentence that says what the number means."""
    if detection.p_fake is None:
        return _no_number(failed)
    fake, real = _chance(detection.p_fake), _chance(1 - detection.p_fake)
    if detection.verdict == "fake":
        return (
            f"The model puts the chance that this image was made by AI at {fake}: "
            "a hint from patterns in its pixels, not a proof."
        )
    if detection.verdict == "real":
        return (
            f"The model puts the chance that this is a real photo at {real}: "
            "a hint from patterns in its pixels, not a proof."
        )
    return f"The model leans neither way ({fake} AI-generated, {real} real): treat this as no answer."


def caution(facts: dict[str, Any]) -> str:
    """What the model's training says about pictures of this size; "" where it fits."""
    if max(facts["width"], facts["height"]) <= CAUTION_SIDE:
        return ""
    return (
        f"This image has {dimensions(facts)} pixels. The model was trained on CIFAKE, images of "
        f"{TRAINED_SIDE} × {TRAINED_SIDE} pixels, and says little about larger photos: "
        "do not rely on this verdict alone."
    )


def legend(detection: Detection) -> str:
    """What the bright areas of the heat map speak for; "" while there is no verdict."""
    if not detection.verdict:
        return ""
    evidence = EVIDENCE[Verdict(detection.verdict)]
    return f"{evidence[0].upper()}{evidence[1:]}: the brighter an area, the more it spoke for it."


def objects(run: StageRun, count: int) -> str:
    """What stands above the list of objects, whatever has become of the search for them."""
    match run.state:
        case StageRun.State.DONE if count:
            return "1 object was recognised." if count == 1 else f"{count} objects were recognised."
        case StageRun.State.DONE:
            return "No object was recognised: the detector knows 80 everyday things."
        case StageRun.State.FAILED | StageRun.State.SKIPPED:
            return "Objects were not looked for: the stages below give the reason."
        case _:
            return "Looking for objects…"


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
    return "The verdict appears here by itself as soon as the model has examined the image."
