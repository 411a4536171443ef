"""The trash: who may put what there, that it is then seen nowhere else, and how it comes back or goes."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404
from django.utils import timezone

from accounts import access, keys
from accounts.access import DELETE, READ, WRITE, principal_of_key
from accounts.models import Organisation
from detection import (
    batch_results,
    batch_selectors,
    filtering,
    queue,
    results,
    selectors,
    services,
    sweeper,
    trash,
)
from detection.models import Artefact, Delivery, Detection, IdempotentRequest, StageRun, Webhook
from detection.stages import Outcome
from detection.watching import Watch
from history import selectors as history
from history.models import AuditEvent
from tests.detection.batching import work_all
from tests.detection.conftest import finish, verdict_outcome

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy")]

OLD = trash.KEEP + timedelta(minutes=1)


def files(settings) -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def age(detection: Detection) -> None:
    Detection.everything.filter(pk=detection.pk).update(deleted_at=timezone.now() - OLD)


def examine() -> None:
    """Ends every stage of every image, as the consumer does."""
    for lane, outcome in (("fast", verdict_outcome()), ("slow", Outcome({"objects": []}))):
        while claim := queue.claim(lane):
            results.save(claim, [outcome for _ in claim.runs], 1.0)


def told() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("id").values_list("event", "actor"))


@pytest.fixture
def trashed(submit, principal) -> Detection:
    detection = submit("gone.png")
    trash.delete(principal=principal, pk=detection.pk)
    return detection


class TestWho:
    """deletes and restores: one's own by who may send, all by who may delete."""

    @pytest.fixture
    def people(self, make_principal, principal):
        makes = {
            role: make_principal(role, principal.organisation) for role in ("admin", "member", "auditor")
        }
        return {"owner": principal, **makes}

    @pytest.fixture
    def programs(self, api_key):
        return {
            name: principal_of_key(api_key(scopes=scopes)[0])
            for name, scopes in {"writes": [WRITE, READ], "deletes": [DELETE], "reads": [READ]}.items()
        }

    @pytest.fixture
    def api_key(self, principal):
        return lambda scopes: keys.make(principal=principal, name="Desk", scopes=scopes)

    @pytest.mark.parametrize("sender", ["owner", "admin", "member", "writes"])
    @pytest.mark.parametrize("who", ["owner", "admin", "member", "auditor", "writes", "deletes", "reads"])
    def test_in_a_table(self, people, programs, submit, sender, who):
        everybody = {**people, **programs}
        detection = submit(principal=everybody[sender])
        allowed = who in ("owner", "admin", "deletes") or (who == sender and who in ("member", "writes"))
        assert trash.may_delete(everybody[who], detection) == allowed
        for act, by in ((trash.delete, "owner"), (trash.restore, "owner")):
            if allowed:
                act(principal=everybody[who], pk=detection.pk)
            else:
                with pytest.raises(PermissionDenied):
                    act(principal=everybody[who], pk=detection.pk)
                act(principal=everybody[by], pk=detection.pk)
        assert Detection.objects.get() == detection

    def test_another_organisation_does_neither(self, trashed, submit, make_principal):
        other = make_principal()
        for act in (trash.delete, trash.restore):
            for pk in (trashed.pk, submit().pk):
                with pytest.raises(Http404):
                    act(principal=other, pk=pk)
        assert not selectors.trash(other)
        assert trash.empty(principal=other) == 0
        assert Detection.everything.count() == 3

    @pytest.mark.parametrize("role", ["member", "auditor"])
    def test_only_who_may_delete_all_empties_it(self, trashed, make_principal, principal, role):
        with pytest.raises(PermissionDenied):
            trash.empty(principal=make_principal(role, principal.organisation))
        assert Detection.everything.exists()

    def test_two_members_who_left_own_nothing_together(self, make_principal, principal, submit):
        ben, ada = (make_principal("member", principal.organisation) for _ in "ab")
        detection = submit(principal=ben)
        ben.user.delete()
        detection.refresh_from_db()
        assert not trash.may_delete(ada, detection)


class TestNowhereElse:
    """A detection in the trash is seen; each of these shows it before it is put there."""

    @pytest.fixture
    def watch(self, principal):
        return Watch(principal)

    def places(self, principal, pk) -> dict[str, bool]:
        def is_there(call, *args) -> bool:
            try:
                return bool(call(*args))
            except Http404:
                return False

        asked = history.filters({})
        found = history.find(principal, asked)
        return {
            "get": is_there(selectors.get, principal, pk),
            "file": is_there(selectors.open_file, principal, pk, "original"),
            "thumbnail": is_there(selectors.open_file, principal, pk, "thumbnail"),
            "recent": bool(selectors.recent(principal)),
            "history": bool(found.page.object_list),
            "counts": bool(found.counts[""]),
            "search": bool(selectors.history(principal, search="gone")),
            "ids": bool(selectors.with_ids(principal, [pk])),
            "versions": bool(selectors.versions(principal, limit=9, ids=[pk])),
            "unfinished": bool(selectors.unfinished(principal, 9)),
            "changed": bool(selectors.changed_since(principal, timezone.now() - timedelta(hours=1), 9)),
            "list": filtering.filtered(principal).exists(),
            "socket": bool(Watch(principal).start()),
            "again": is_there(lambda: services.rerun(principal=principal, pk=pk).delete() or True),
            "organisation": principal.organisation.detections.exists(),
        }

    def test_in_any_list_count_file_or_stream(self, submit, principal):
        detection = submit("gone.png")
        before = self.places(principal, detection.pk)
        assert all(before.values()), before
        trash.delete(principal=principal, pk=detection.pk)
        after = self.places(principal, detection.pk)
        assert not any(after.values()), after
        assert filtering.filtered(principal, trash=True).get() == detection
        trash.restore(principal=principal, pk=detection.pk)
        again = self.places(principal, detection.pk)
        assert all(again.values()), again
        assert not filtering.filtered(principal, trash=True).exists()

    @pytest.mark.parametrize("act", ["explain", "retry", "rerun"])
    def test_nor_is_anything_done_with_it(self, trashed, principal, act):
        more = {"stage": "lime"} if act == "explain" else {}
        with pytest.raises(Http404):
            getattr(services, act)(principal=principal, pk=trashed.pk, **more)

    def test_a_batch_counts_it_as_one_that_was_deleted(self, order, principal):
        batch = order(3)
        work_all()
        examine()
        gone = Detection.objects.first()
        trash.delete(principal=principal, pk=gone.pk)
        progress = batch_selectors.progress(batch)
        assert (progress.finished, progress.examined, progress.verdicts["fake"]) == (3, 3, 2)
        rows = [batch_results.row(entry) for entry in batch_selectors.entries(batch)]
        assert str(gone.pk) not in [each["detection"] for each in rows]
        assert len([each for each in rows if each["detection"]]) == 2

    def test_it_has_no_answer_kept_for_a_request_that_comes_again(self, submit, principal, make_key):
        detection, kept = submit(), submit()
        for number, each in enumerate((detection, kept)):
            key = make_key(principal)[0]
            body = {"id": str(each.pk)}
            IdempotentRequest.objects.create(key=key, value=str(number), fingerprint="", body=body)
        trash.delete(principal=principal, pk=detection.pk)
        assert IdempotentRequest.objects.get().body["id"] == str(kept.pk)

    def test_who_asks_for_it_is_told_where_it_is(self, trashed, principal, make_principal):
        with pytest.raises(selectors.Trashed, match="in the trash"):
            selectors.get(principal, trashed.pk)
        with pytest.raises(Http404) as error:
            selectors.get(make_principal(), trashed.pk)
        assert not isinstance(error.value, selectors.Trashed)


class TestItsWork:
    def test_stages_go_on_and_it_comes_back_with_its_answer(self, trashed, principal):
        examine()
        assert not Detection.objects.exists()
        trash.restore(principal=principal, pk=trashed.pk)
        found = Detection.objects.get()
        assert (found.verdict, bool(found.completed_at)) == ("fake", True)
        assert Artefact.objects.filter(detection=found).exists()
        assert found.version > trashed.version

    @pytest.fixture
    def hook(self, principal):
        return Webhook.objects.create(
            organisation=principal.organisation,
            url="https://example.org/",
            secret="whsec_eHh4",
            events=["detection.completed"],
        )

    def test_a_webhook_hears_of_its_answer_when_it_is_restored(self, hook, trashed, principal):
        examine()
        assert not Delivery.objects.exists()
        trash.restore(principal=principal, pk=trashed.pk)
        assert Delivery.objects.get().event == "detection.completed"

    def test_and_of_none_twice(self, hook, submit, principal):
        detection = submit()
        examine()
        assert Delivery.objects.count() == 1
        trash.delete(principal=principal, pk=detection.pk)
        trash.restore(principal=principal, pk=detection.pk)
        assert Delivery.objects.count() == 1

    def test_a_stage_at_work_while_it_is_removed_is_discarded(
        self, trashed, settings, principal, django_capture_on_commit_callbacks
    ):
        claim = queue.claim("fast")
        with django_capture_on_commit_callbacks(execute=True):
            assert trash.empty(principal=principal) == 1
        assert results.save(claim, [verdict_outcome()], 1.0) == []
        assert not files(settings)


class TestRestoring:
    def test_twice_is_no_error_and_tells_of_one(self, trashed, principal):
        trash.restore(principal=principal, pk=trashed.pk)
        trash.restore(principal=principal, pk=trashed.pk)
        assert [event for event, _ in told()] == ["detection.trashed", "detection.restored"]

    def test_deleting_twice_is_not_found(self, trashed, principal):
        with pytest.raises(Http404):
            trash.delete(principal=principal, pk=trashed.pk)

    def test_what_was_removed_is_not_found(self, trashed, principal):
        trash.empty(principal=principal)
        with pytest.raises(Http404):
            trash.restore(principal=principal, pk=trashed.pk)

    def test_it_begins_its_days_anew(self, trashed, principal):
        age(trashed)
        trash.restore(principal=principal, pk=trashed.pk)
        trash.delete(principal=principal, pk=trashed.pk)
        assert trash.remove_old() == 0

    def test_who_deleted_it_is_known_as_long_as_it_lies_there(self, trashed, principal):
        [row] = selectors.trash(principal)
        assert trash.deleted_by(row) == str(principal.user)
        trash.restore(principal=principal, pk=trashed.pk)
        found = Detection.objects.get()
        assert (found.deleted_at, found.deleted_by, found.deleted_key) == (None, None, None)


class TestRemoval:
    def test_takes_what_is_old_with_all_files_and_leaves_the_rest(
        self, submit, principal, settings, django_capture_on_commit_callbacks
    ):
        kept, young, gone = submit("kept.png"), submit("young.png"), submit("gone.png")
        finish()
        for each in (young, gone):
            trash.delete(principal=principal, pk=each.pk)
        age(gone)
        with django_capture_on_commit_callbacks(execute=True):
            assert sweeper.sweep() == 0  # no file without a row: those of the trash have theirs
        assert set(Detection.everything.all()) == {kept, young}
        assert {run.detection_id for run in StageRun.objects.all()} == {kept.pk, young.pk}
        assert len(files(settings)) == 8
        assert told()[-1] == ("detection.removed", "CIFAKE")

    def test_files_of_the_trash_are_nobodys_strays(self, trashed, settings):
        """However old they are: the sweeper looks for files that no row names, and these have one."""
        for path in files(settings):
            os.utime(path, (0, 0))
        assert sweeper.sweep() == 0
        assert len(files(settings)) == 3

    def test_goes_a_few_at_a_time_and_can_be_stopped(self, submit, principal, monkeypatch):
        monkeypatch.setattr(trash, "AT_ONCE", 2)
        for number in range(5):
            detection = submit(f"{number}.png")
            trash.delete(principal=principal, pk=detection.pk)
            age(detection)
        assert trash.remove_old(stopped=lambda: True) == 2
        assert Detection.everything.count() == 3
        assert trash.remove_old() == 3

    def test_what_is_restored_meanwhile_stays(self, submit, principal, monkeypatch):
        """Between the list of the old ones and the lock on their rows."""
        detections = [submit(f"{number}.png") for number in range(3)]
        for each in detections:
            trash.delete(principal=principal, pk=each.pk)
            age(each)
        remove = trash._remove

        def late(rows, ids, by):
            if len(ids) == 3:
                trash.restore(principal=principal, pk=ids[1])
            return remove(rows, ids, by)

        monkeypatch.setattr(trash, "_remove", late)
        assert trash.remove_old() == 2
        assert Detection.objects.count() == Detection.everything.count() == 1

    def test_what_was_checked_again_links_to_it_no_more(
        self, submit, principal, django_capture_on_commit_callbacks
    ):
        first, second = submit(), submit()
        assert second.same_file_as == first
        trash.delete(principal=principal, pk=first.pk)
        with django_capture_on_commit_callbacks(execute=True):
            trash.empty(principal=principal)
        second.refresh_from_db()
        assert second.same_file_as_id is None

    def test_emptying_says_who(self, submit, principal):
        trash.delete(principal=principal, pk=submit().pk)
        assert trash.empty(principal=principal) == 1
        assert [event for event, _ in told()] == ["detection.trashed", "detection.removed"]
        assert {actor for _, actor in told()} == {principal.user.email}

    def test_an_organisation_takes_its_trash_with_it(self, trashed, principal):
        Organisation.objects.get(pk=principal.organisation.pk).delete()
        assert not Detection.everything.exists()
        assert not StageRun.objects.exists()

    def test_a_deleted_account_leaves_what_it_deleted(self, submit, principal, make_principal):
        ada = make_principal("admin", principal.organisation)
        trash.delete(principal=ada, pk=submit().pk)
        ada.user.delete()
        [row] = selectors.trash(principal)
        assert trash.deleted_by(row) == "somebody who left"


def test_lists_and_counts_read_an_index_alone(principal):
    """A look at each row would cost a list of 100,000 names three times as much."""
    if connection.vendor != "sqlite":
        pytest.skip("SQLite says so in its plans")
    rows = access.scope(principal, Detection.objects.all())
    asked = {
        "names": rows.filter(name__icontains="zebra").order_by("-created_at", "id").values("pk")[:25],
        "verdict": rows.filter(verdict="fake").order_by("-created_at", "id").values("pk")[:25],
        "counts": rows.order_by().values_list("verdict").distinct(),
    }
    for what, query in asked.items():
        assert "COVERING INDEX" in query.explain(), what
