"""manage.py detect: verdict, heat map, origin and objects of files. No server, account or database."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from detection import evidence, told, wording
from detection.answers import answer_of
from detection.models import Detection
from mlcore import files, provenance_process
from mlcore.calibration import USUAL
from mlcore.contracts import Basis, Skipped, Stability
from mlcore.errors import MlcoreError, ObjectsUnavailable
from mlcore.objects_process import DetectorProcess
from mlcore.provenance_process import ProvenanceProcess
from mlcore.quiet import own_stdout


class Command(BaseCommand):
    help = (
        "Tell whether image files were made by AI, and what is in them. Exit status: 0 if all files "
        "were examined, 1 if some could not be (the others still come out), 2 if nothing could run."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--json", action="store_true", help="one JSON object a line, for each file")
        parser.add_argument(
            "--out",
            type=Path,
            metavar="DIR",
            default=settings.DATA_DIR / "overlays",
            help="folder for the overlay PNG of each image whose answer rests on its pixels "
            "(default: %(default)s)",
        )
        parser.add_argument("--model", default=settings.DETECTION_MODEL, help="default: %(default)s")
        parser.add_argument("--no-objects", action="store_true", help="do not look for objects")
        parser.add_argument(
            "--stability",
            action="store_true",
            help="ask the model about changed copies of every image, also where its answer does not need it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Before TensorFlow is imported: its start-up lines help nobody here.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            with own_stdout() as out:
                refused = self._run(out, options)
        except (MlcoreError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        if refused:
            sys.exit(1)

    def _run(self, out: TextIO, options: dict[str, Any]) -> int:
        with ExitStack() as stack:
            # Torch loads in a process of its own while TensorFlow loads in this one.
            detector = (
                None if options["no_objects"] else stack.enter_context(DetectorProcess(settings.DATA_DIR))
            )
            origin = stack.enter_context(ProvenanceProcess(settings.C2PA_TRUST_DIR))
            model = Model(options["model"])
            skipped = self._why_skipped(detector)
            tools = files.Tools(
                detect=detector.detect if detector and not skipped else None,
                origin=origin.examine,
                hold=model.on_variants,
                hold_all=options["stability"],
                thresholds=model.thresholds,
            )
            outcomes = files.check(options["files"], model.classify, tools, options["out"])
            counted = self._counted(outcomes, len(options["files"]))
            if options["json"]:
                return _write_json(out, counted, skipped)
            return _write_words(out, counted, model)

    def _why_skipped(self, detector: DetectorProcess | None) -> str:
        """The remedy where the object detector has no weights; empty where all is well."""
        try:
            if detector:
                detector.ready()
        except ObjectsUnavailable as error:
            self.stderr.write(f"Objects are skipped: {error}")
            return str(error)
        return ""

    def _counted(
        self, outcomes: Iterable[files.Result | files.Refusal], total: int
    ) -> Iterable[files.Result | files.Refusal]:
        """Progress on standard error, where somebody is watching."""
        watched = sys.stderr.isatty()
        for number, outcome in enumerate(outcomes, 1):
            yield outcome
            if watched:
                self.stderr.write(f"\r{number} of {total}", ending="\n" if number == total else "")


def _write_json(out: TextIO, outcomes: Iterable[files.Result | files.Refusal], skipped: str) -> int:
    refused = 0
    for outcome in outcomes:
        refused += isinstance(outcome, files.Refusal)
        print(json.dumps(as_json(outcome, skipped)), file=out, flush=True)
    return refused


def as_json(outcome: files.Result | files.Refusal, skipped: str) -> dict[str, Any]:
    """The object of one file: its result, or its error with ``code`` and ``detail``."""
    if isinstance(outcome, files.Refusal):
        return {"file": outcome.file, "error": {"code": outcome.code, "detail": outcome.detail}}
    decision, confidence = outcome.decision, outcome.decision.confidence
    line = {
        "file": outcome.file,
        "verdict": str(decision.verdict),
        "confidence": None if confidence is None else round(confidence, 6),
        "p_fake": round(outcome.found.p_fake, 6) if outcome.by_pixels else None,
        "time_ms": round(outcome.time_ms, 2),
        "objects": [
            {
                "name": each.name,
                "score": round(each.score, 4),
                "box": [round(edge, 1) for edge in each.box],
                "sure": outcome.is_sure(each),
            }
            for each in outcome.seen
        ],
        "overlay": str(outcome.overlay) if outcome.overlay else None,
        "model": asdict(outcome.found.model),
        "basis": str(decision.basis),
        "gate": {"in_domain": outcome.found.gate.in_domain, "reason": outcome.found.gate.reason},
        "provenance": _provenance(outcome),
        "answer": answer_of(str(decision.verdict), str(decision.basis)),
        "expert": _expert(outcome),
    }
    if outcome.stability and outcome.by_pixels:
        line["stability"] = _stability(outcome.stability)
    if isinstance(outcome.objects, Skipped):
        skipped = outcome.objects.reason
    return {**line, "objects_skipped": skipped} if skipped else line


def _provenance(outcome: files.Result) -> dict[str, Any]:
    """Summary and findings; ``error`` says why there are none where they could not be read."""
    if outcome.provenance:
        found = provenance_process.as_json(outcome.provenance)
        return {key: found[key] for key in ("summary", "findings")}
    error = {"error": outcome.origin.reason} if isinstance(outcome.origin, Skipped) else {}
    return {"summary": "none", "findings": [], **error}


def _expert(outcome: files.Result) -> dict[str, Any]:
    """The model's own numbers, whatever they are worth here."""
    return {
        "p_fake": round(outcome.found.p_fake, 6),
        "stability": _stability(outcome.stability) if outcome.stability else None,
        "note": wording.no_answer_of_pixels(str(outcome.decision.verdict), str(outcome.decision.basis)),
    }


def _stability(found: Stability) -> dict[str, Any]:
    return {**asdict(found), "variants": [list(each) for each in found.variants]}


def _write_words(out: TextIO, outcomes: Iterable[files.Result | files.Refusal], model: Model) -> int:
    refused = large = 0
    for outcome in outcomes:
        if isinstance(outcome, files.Refusal):
            refused += 1
            print(f"{outcome.file}: could not be examined\n    {outcome.detail}", file=out, flush=True)
        else:
            by_model = outcome.decision.basis is Basis.PIXELS
            large += by_model and bool(wording.caution(asdict(outcome.picture.facts)))
            print(_words(outcome, model), file=out, flush=True)
    if large:
        print(f"\n{wording.CAUTION_OF_SOME}", file=out)
    return refused


def _words(result: files.Result, model: Model) -> str:
    """The page's own words: the answer, how often it is wrong, why, and the evidence in its order."""
    row = _as_row(result, model.thresholds)
    sure = row.basis == Basis.PIXELS and row.verdict in ("fake", "real")
    head = f"{result.file}: {wording.verdict_words(row, False)} ({wording.duration(result.time_ms)})"
    lines = [wording.error_rate(model.error_rate) if sure else "", wording.basis_text(row)]
    lines += [f"- {each['title']}: {each['text']}" for each in _evidence(row, result)]
    lines += result.picture.facts.notes
    if result.sure:
        names = (f"{each.name} {each.score * 100:.0f} %" for each in result.sure)
        lines.append("Objects: " + ", ".join(names))
    if result.overlay:
        lines.append(f"Overlay: {result.overlay}")
    return "\n    ".join([head, *filter(None, lines)])


def _as_row(result: files.Result, thresholds: Mapping[str, float]) -> Detection:
    """Never saved: the page's sentences are made from a row."""
    decision, without = result.decision, ["provenance"] if isinstance(result.origin, Skipped) else []
    return Detection(
        verdict=str(decision.verdict),
        basis=str(decision.basis),
        confidence=decision.confidence,
        p_fake=result.found.p_fake,
        decision={
            "key": decision.key,
            "reason": decision.reason,
            "thresholds": dict(thresholds),
            "without": without,
        },
    )


def _evidence(row: Detection, result: files.Result) -> list[dict[str, Any]]:
    verdict = {"verdict": str(result.found.verdict), "p_fake": result.found.p_fake}
    verdict |= {"gate": asdict(result.found.gate), "model": asdict(result.found.model)}
    verdict["stability"] = {"variants": result.stability.variants if result.stability else None}
    origin = provenance_process.as_json(result.provenance) if result.provenance else {}
    held = (
        told.stability(row, verdict, {}) if result.by_pixels and row.decision["key"] != "undecided" else None
    )
    return evidence.listed(row, told.gate(verdict), told.provenance(origin), held, None)


class Model:
    """The classifier, with what its card says of its answers."""

    def __init__(self, name: str) -> None:
        from mlcore import registry
        from mlcore.classifier import Classifier

        classifier = Classifier(name)
        classifier.warm_up()  # or the first file's time would be that of the start
        self.classify, self.on_variants = classifier.classify, classifier.on_variants
        points = registry.card(name).get("operating_points") or {}
        self.error_rate = USUAL if USUAL in points else ""
        self.thresholds = points.get(USUAL) or registry.card(name)["thresholds"]
