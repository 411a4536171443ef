"""Which model answers: chosen in the database, checked by its hash, taken up without a restart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from detection import active, plan, queue, services
from detection.model_worker import Worker
from detection.models import Activation, Detection, StageRun
from detection.stages import Item, Options, Outcome, Run, Stage
from detection.work import Work
from mlcore import registry
from mlcore.card import sha256_of
from mlcore.errors import ModelUnavailable
from tests.detection.conftest import run_of, running_consumer
from tests.servers import eventually

REAL = registry.WEIGHTS_DIR


@pytest.fixture
def weights(tmp_path: Path, monkeypatch) -> Path:
    """Two models: the real one, and "second", the same under another name; and one that is spoilt."""
    folder = tmp_path / "weights"
    shutil.copytree(REAL / registry.DEFAULT, folder / registry.DEFAULT)
    for name, content in (("second", b"weights"), ("spoilt", b"others")):
        (folder / name).mkdir()
        (folder / name / "model.keras").write_bytes(b"weights")
        (folder / name / "expected").write_bytes(content)
        card = {"name": name, "version": "2.0", "sha256": sha256_of(folder / name / "expected")}
        card |= {"input_size": 32, "thresholds": {"fake": 0.5, "real": 0.5}, "limits": ["None known."]}
        (folder / name / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(registry, "WEIGHTS_DIR", folder)
    return folder


def manage(capsys, *arguments: str) -> str:
    call_command("model", *arguments)
    return capsys.readouterr().out


@pytest.mark.django_db
def test_the_newest_activation_counts_and_the_settings_until_then(weights, settings):
    assert active.name() == plan.options().model == settings.DETECTION_MODEL
    active.activate("second")
    assert active.name() == plan.options().model == "second"
    active.activate(registry.DEFAULT)
    assert active.name() == registry.DEFAULT
    assert list(Activation.objects.values_list("name", "version")) == [
        (registry.DEFAULT, registry.card(registry.DEFAULT)["version"]),
        ("second", "2.0"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "words"), [("spoilt", "Check it out again"), ("nonesuch", "no model named")]
)
def test_what_cannot_be_used_is_not_activated(weights, name, words):
    with pytest.raises(ModelUnavailable, match=words):
        active.activate(name)
    assert not Activation.objects.exists()


@pytest.mark.django_db
def test_the_command_lists_shows_activates_and_verifies(weights, capsys):
    assert f"* {registry.DEFAULT}" in manage(capsys, "list")
    assert "second 2.0 is the active model" in manage(capsys, "activate", "second")
    listed = manage(capsys, "list")
    assert "* second" in listed
    assert f"  {registry.DEFAULT}" in listed
    shown = manage(capsys, "show", "second")
    assert "second 2.0 (active)" in shown
    assert "- None known." in shown
    with pytest.raises(CommandError, match="1 of the models"):
        call_command("model", "verify")
    told = capsys.readouterr()
    assert "second: the weights are those of its card." in told.out
    assert "spoilt: " in told.err
    assert f"{registry.DEFAULT}: the weights" in manage(capsys, "verify", registry.DEFAULT)
    with pytest.raises(CommandError, match="no model named"):
        call_command("model", "show", "nonesuch")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("toy", "quick_polls")
def test_a_running_consumer_takes_it_up_and_loses_no_job(weights, submit):
    def names() -> list[str]:
        runs = StageRun.objects.filter(stage="verdict", state="done").order_by("pk")
        return [run.result["model"]["name"] for run in runs]

    submit()
    with running_consumer("fast") as consumer:
        eventually(lambda: len(names()) == 1)
        (lane,) = consumer.lanes
        first = lane.pid
        for number in range(20):
            submit(f"before-{number}.png")
        active.activate("second")
        for number in range(20):
            submit(f"after-{number}.png")
        eventually(lambda: len(names()) == 41)
        eventually(lambda: lane.pid not in (None, first))
        submit("last.png")
        eventually(lambda: len(names()) == 42)
    found = names()
    assert found[0] == registry.DEFAULT
    assert found[-1] == "second"
    assert found == sorted(found, key=(registry.DEFAULT, "second").index)  # never back
    assert set(StageRun.objects.filter(stage="verdict").values_list("attempts", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("toy", "quick_polls")
def test_an_idle_consumer_takes_it_up_too_and_other_lanes_stay(weights, submit, monkeypatch):
    monkeypatch.setattr(plan, "follows", lambda lane: lane == "fast")
    with running_consumer("fast", "slow") as consumer:
        fast, slow = consumer.lanes
        eventually(lambda: fast.ready.is_set() and slow.ready.is_set())
        pids = fast.pid, slow.pid
        active.activate("second")
        eventually(lambda: fast.pid not in (None, pids[0]))
        detection = submit()
        eventually(
            lambda: run_of(detection).state == "done" and run_of(detection, "objects").state == "skipped"
        )
        assert slow.pid == pids[1]
    assert run_of(detection).result["model"]["name"] == "second"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("toy", "quick_polls")
def test_one_image_may_ask_for_another_model(weights, submit, principal):
    """Its verdict is made beside the fast lane, which goes on with its own model."""
    with running_consumer("fast", "explain") as consumer:
        fast, explain = consumer.lanes
        first = submit()
        eventually(lambda: fast.ready.is_set() and explain.ready.is_set())
        pids = fast.pid, explain.pid
        again = [services.rerun(principal=principal, pk=first.pk, model="second") for _ in range(3)]
        last = submit("last.png")
        eventually(lambda: all(run_of(each).state == "done" for each in [*again, last]))
        assert (fast.pid, explain.pid) == pids
    made_by = [run_of(each).result["model"]["name"] for each in [first, *again, last]]
    assert made_by == [registry.DEFAULT, "second", "second", "second", registry.DEFAULT]
    assert [Detection.objects.get(pk=each.pk).model_name for each in again] == ["second"] * 3


@pytest.mark.django_db
def test_images_that_ask_for_different_models_share_no_batch(weights, submit):
    first = submit()
    Detection.objects.filter(pk=submit("other.png").pk).update(model_asked="second")
    third = submit("third.png")
    claims = [queue.claim("fast"), queue.claim("fast")]
    assert [[run.detection.name for run in claim.runs] for claim in claims] == [
        [first.name, third.name],
        ["other.png"],
    ]
    assert [claim.model for claim in claims] == ["", "second"]


def test_a_process_keeps_a_few_other_models_loaded():
    loaded = []

    def load(options: Options) -> Run:
        loaded.append(options.model)
        return lambda items: [Outcome({"model": options.model}) for _ in items]

    worker = Worker([Stage("verdict", "", "fast", 1, load, raw=True)], "fast", Options("own", Path()))
    worker.load()
    item = (Item("a.png", b""),)
    for model in ["a", "b", "a", "c", "a", "", "b"]:  # at "c" it is b that was used longest ago
        (answer,) = worker.do(Work("verdict", item, model)).answers
        assert answer.result["model"] == (model or "own")
    assert loaded == ["own", "a", "b", "c", "b"]


def test_lanes_whose_stages_have_models_of_their_own_do_not_follow():
    assert plan.follows("fast")
    assert plan.follows("explain")
    assert not plan.follows("slow")
