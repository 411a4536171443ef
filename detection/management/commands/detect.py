"""manage.py detect: verdict, heat map and objects of files. No server, account or database."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from detection import wording
from mlcore import files
from mlcore.contracts import Skipped
from mlcore.errors import MlcoreError, ObjectsUnavailable
from mlcore.objects_process import DetectorProcess
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
            help="folder for the overlay PNG of each image (default: %(default)s)",
        )
        parser.add_argument("--model", default=settings.DETECTION_MODEL, help="default: %(default)s")
        parser.add_argument("--no-objects", action="store_true", help="do not look for objects")

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
            classify = self._classifier(options["model"])
            skipped = self._why_skipped(detector)
            detect = detector.detect if detector and not skipped else None
            outcomes = files.check(options["files"], classify, detect, options["out"])
            show = _write_json if options["json"] else _write_words
            return show(out, self._counted(outcomes, len(options["files"])), skipped)

    def _classifier(self, name: str) -> files.Classify:
        from mlcore.classifier import Classifier

        classifier = Classifier(name)
        classifier.warm_up()  # or the first file's time would be that of the start
        return classifier.classify

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
    found = outcome.found
    line = {
        "file": outcome.file,
        "verdict": str(found.verdict),
        "confidence": round(found.confidence, 6),
        "p_fake": round(found.p_fake, 6),
        "time_ms": round(outcome.time_ms, 2),
        "objects": [
            {"name": each.name, "score": round(each.score, 4), "box": [round(edge, 1) for edge in each.box]}
            for each in outcome.shown
        ],
        "overlay": str(outcome.overlay) if outcome.overlay else None,
        "model": asdict(found.model),
    }
    if isinstance(outcome.objects, Skipped):
        skipped = outcome.objects.reason
    return {**line, "objects_skipped": skipped} if skipped else line


def _write_words(out: TextIO, outcomes: Iterable[files.Result | files.Refusal], skipped: str) -> int:
    refused = large = 0
    for outcome in outcomes:
        if isinstance(outcome, files.Refusal):
            refused += 1
            print(f"{outcome.file}: could not be examined\n    {outcome.detail}", file=out, flush=True)
        else:
            large += bool(wording.caution(asdict(outcome.picture.facts)))
            print(_words(outcome), file=out, flush=True)
    if large:
        print(f"\n{wording.CAUTION_OF_SOME}", file=out)
    return refused


def _words(result: files.Result) -> str:
    found = result.found
    words, share = wording.VERDICT_WORDS[found.verdict], wording.percent(found.confidence)
    head = f"{result.file}: {words}, {share} ({wording.duration(result.time_ms)})"
    lines = list(result.picture.facts.notes)
    if result.shown:
        names = (f"{each.name} {each.score * 100:.0f} %" for each in result.shown)
        lines.append("Objects: " + ", ".join(names))
    if result.overlay:
        lines.append(f"Overlay: {result.overlay}")
    return "\n    ".join([head, *lines])
