"""Which model answers: chosen in the database, checked by its hash, taken up without a restart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from detection import active, plan
from detection.models import Activation, StageRun
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
    shutil.copytree(REAL / "cifake_resnet", folder / "cifake_resnet")
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
    active.activate("cifake_resnet")
    assert active.name() == "cifake_resnet"
    assert list(Activation.objects.values_list("name", "version")) == [
        ("cifake_resnet", registry.card("cifake_resnet")["version"]),
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
    assert "* cifake_resnet" in manage(capsys, "list")
    assert "second 2.0 is the active model" in manage(capsys, "activate", "second")
    listed = manage(capsys, "list")
    assert "* second" in listed
    assert "  cifake_resnet" in listed
    shown = manage(capsys, "show", "second")
    assert "second 2.0 (active)" in shown
    assert "- None known." in shown
    with pytest.raises(CommandError, match="1 of the models"):
        call_command("model", "verify")
    told = capsys.readouterr()
    assert "second: the weights are those of its card." in told.out
    assert "spoilt: " in told.err
    assert "cifake_resnet: the weights" in manage(capsys, "verify", "cifake_resnet")
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
    assert found[0] == "cifake_resnet"
    assert found[-1] == "second"
    assert found == sorted(found)  # never back
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


def test_lanes_whose_stages_have_models_of_their_own_do_not_follow():
    assert plan.follows("fast")
    assert plan.follows("explain")
    assert not plan.follows("slow")
