"""What happened is written down with what it is about, stays as it is, and can be read by those who may."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts import founding, invitations, joining, members
from accounts.access import SCOPES, principal_for, principal_of_key
from accounts.models import ApiKey, Invitation, Membership, Role
from accounts.signals import happened
from history import activity
from history.activity_words import SENTENCES, words
from history.models import AppendOnly, AuditEvent
from tests.accounts.test_pages import assert_framed
from tests.servers import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def get(client, principal):
    def fetch(query: str = "", person=None, organisation=None):
        client.force_login(person or principal.user)
        return client.get(reverse("activity", args=[(organisation or principal.organisation).slug]) + query)

    return fetch


def told(principal, event: str = "member.left", subject="Ada", **details):
    happened.send(sender=Membership, principal=principal, event=event, subject=subject, details=details)


def text(response) -> str:
    main = re.search(r"<main.*</main>", response.content.decode(), re.S)[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


class TestWritingDown:
    def test_who_did_what_to_whom(self, principal, make_member, make_user):
        other = make_member(principal.organisation, user=make_user("ben@x.org", name="Ben"))
        membership = other.memberships.get(organisation=principal.organisation)
        members.remove(principal=principal, pk=membership.pk)
        event = AuditEvent.objects.get()
        assert event.organisation == principal.organisation
        assert (event.user, event.key) == (principal.user, None)
        assert event.actor == principal.user.email
        assert (event.event, event.subject) == ("member.removed", "Ben (ben@x.org)")
        assert event.details == {"email": "ben@x.org", "role": "member"}

    def test_a_key_acts_as_itself(self, principal):
        key = ApiKey.objects.create(
            organisation=principal.organisation, name="CMS", created_by=principal.user,
            scopes=sorted(SCOPES),
        )  # fmt: skip
        invitations.invite(
            principal=principal_of_key(key), emails=["a@x.org"], role=Role.MEMBER, site="https://x.org"
        )
        event = AuditEvent.objects.get()
        assert (event.actor, event.user, event.key) == ("API key CMS", None, key)

    def test_every_change_of_people(self, principal, make_member, make_user, mailoutbox):
        organisation = principal.organisation

        def invite(email: str) -> str:
            invitations.invite(principal=principal, emails=[email], role=Role.ADMIN, site="https://x.org")
            return re.search(r"/invitations/([\w-]+)/", mailoutbox[-1].body)[1]

        joined = make_user("ada@x.org")
        joining.accept(user=joined, token=invite("ada@x.org"))
        joining.decline(token=invite("no@x.org"))
        invite("late@x.org")
        pk = Invitation.objects.get(email="late@x.org").pk
        invitations.resend(principal=principal, pk=pk, site="https://x.org")
        invitations.revoke(principal=principal, pk=pk)
        ada = organisation.memberships.get(user=joined).pk
        members.change_role(principal=principal, pk=ada, role=Role.MEMBER)
        members.give_ownership(principal=principal, pk=ada)
        members.leave(principal=principal_for(principal.user, organisation.slug))
        founding.found_another(user=principal.user, name="Post")
        assert list(AuditEvent.objects.order_by("id").values_list("event", flat=True)) == [
            *("invitation.sent", "member.joined", "invitation.sent", "invitation.declined"),
            *("invitation.sent", "invitation.resent", "invitation.revoked"),
            *("member.role_changed", "member.ownership_given", "member.left", "organisation.founded"),
        ]

    def test_no_secret_of_an_invitation_is_in_it(self, principal, mailoutbox):
        invitations.invite(
            principal=principal, emails=["a@x.org"], role=Role.MEMBER, site="https://cifake.example"
        )
        token = re.search(r"/invitations/([\w-]+)/", mailoutbox[0].body)[1]
        event = str(vars(AuditEvent.objects.get()))
        assert token not in event
        assert Invitation.objects.get().token_hash not in event

    def test_what_is_undone_leaves_no_trace(self, principal):
        with transaction.atomic():
            told(principal)
            transaction.set_rollback(True)
        assert not AuditEvent.objects.exists()

    def test_what_cannot_be_written_down_does_not_happen(self, principal, make_member, monkeypatch):
        other = make_member(principal.organisation).memberships.get(organisation=principal.organisation)

        def full(*args, **kwargs):
            raise DatabaseError("disk full")

        monkeypatch.setattr(AuditEvent, "save", full)
        with pytest.raises(DatabaseError):
            members.remove(principal=principal, pk=other.pk)
        assert Membership.objects.filter(pk=other.pk).exists()

    def test_nobody_did_it(self, principal):
        told(
            None,
            "webhook.switched_off",
            subject=Membership(organisation=principal.organisation, user=principal.user),
        )
        assert AuditEvent.objects.get().actor == "CIFAKE"

    def test_the_longest_names_fit(self, principal):
        principal.user.name = "n" * 150
        told(principal, subject="s" * 1000)
        event = AuditEvent.objects.get()
        assert event.subject == "s" * 420
        assert event.actor.startswith("n" * 150)


class TestAppendOnly:
    @pytest.fixture
    def event(self, principal) -> AuditEvent:
        told(principal, email="a@x.org")
        return AuditEvent.objects.get()

    def test_a_row_is_not_changed(self, event):
        event.actor = "somebody else"
        with pytest.raises(AppendOnly):
            event.save()
        with pytest.raises(AppendOnly):
            event.save(update_fields=["actor"])
        with pytest.raises(AppendOnly):
            AuditEvent.objects.update(actor="somebody else")
        with pytest.raises(AppendOnly):
            AuditEvent.objects.bulk_update([event], ["actor"])
        assert AuditEvent.objects.get().actor != "somebody else"

    def test_nor_deleted(self, event):
        with pytest.raises(AppendOnly):
            event.delete()
        with pytest.raises(AppendOnly):
            AuditEvent.objects.filter(pk=event.pk).delete()
        assert AuditEvent.objects.exists()

    def test_nor_written_over_by_its_number(self, event):
        with pytest.raises(DatabaseError), transaction.atomic():
            AuditEvent(pk=event.pk, organisation=event.organisation, actor="somebody else").save()
        assert AuditEvent.objects.get().actor == event.actor

    def test_it_outlives_the_account(self, event, principal):
        principal.user.delete()
        event = AuditEvent.objects.get()
        assert event.user is None
        assert event.actor == "user1@example.org"

    def test_it_goes_with_its_organisation(self, event, principal):
        principal.organisation.delete()
        assert not AuditEvent.objects.exists()

    def test_the_admin_reads_only(self, event, client, make_user):
        client.force_login(make_user(is_staff=True, is_superuser=True))
        assert "member.left" in client.get(reverse("admin:history_auditevent_changelist")).content.decode()
        one = reverse("admin:history_auditevent_change", args=[event.pk])
        assert client.get(one).status_code == 200
        assert client.post(one, {"actor": "somebody else"}).status_code == 403
        assert client.post(reverse("admin:history_auditevent_delete", args=[event.pk])).status_code == 403
        assert client.get(reverse("admin:history_auditevent_add")).status_code == 403


class TestThePage:
    @pytest.mark.parametrize(
        ("role", "status"), [("owner", 200), ("admin", 200), ("auditor", 200), ("member", 403)]
    )
    def test_who_reads_it(self, get, make_principal, principal, role, status):
        told(principal)
        reader = make_principal(role, principal.organisation)
        assert get(person=reader.user, organisation=principal.organisation).status_code == status

    def test_outsiders_and_strangers(self, get, client, make_user, principal):
        assert get(person=make_user()).status_code == 404
        client.logout()
        assert client.get(reverse("activity", args=[principal.organisation.slug])).status_code == 302

    def test_newest_first_in_words(self, get, principal):
        told(principal, "member.role_changed", "Ben (ben@x.org)", role="admin", before="member")
        told(principal, "member.removed", "Ben (ben@x.org)", role="admin")
        page = get()
        assert_framed(page.content.decode())
        email = principal.user.email
        assert text(page).index(f"{email} removed Ben (ben@x.org), who was admin") < text(page).index(
            f"{email} changed the role of Ben (ben@x.org) from member to admin"
        )
        assert "role_changed" not in page.content.decode()

    def test_nothing_of_another_organisation(self, get, principal, make_principal):
        told(make_principal(), subject="theirs")
        assert "theirs" not in get().content.decode()

    def test_empty(self, get):
        assert "Nothing has happened yet" in text(get())

    def test_pages_stay_put_while_more_comes_in(self, get, principal):
        for number in range(activity.PER_PAGE + 5):
            told(principal, "invitation.sent", f"number{number:03}@x.org", role="member")
        first = text(get())
        assert "number054@" in first
        assert "number004@" not in first
        older = re.search(r'href="(\?before=\d+)"', get().content.decode())[1]
        told(principal, "invitation.sent", "new@x.org", role="member")
        second = text(get(older))
        assert re.findall(r"number(\d+)@", second) == ["004", "003", "002", "001", "000"]
        assert "Older" not in second
        assert "Newest" in second

    @pytest.mark.parametrize("before", ["x", "-1", "1e3", "٣", "9" * 40, "0", "%00"])
    def test_a_made_up_page_is_no_error(self, get, principal, before):
        told(principal)
        assert get(f"?before={before}").status_code == 200

    def test_a_page_costs_the_same_whatever_its_length(self, principal, django_assert_num_queries):
        for _ in range(60):
            told(principal, email="a@x.org")
        with django_assert_num_queries(1):
            assert len(activity.page(principal).entries) == activity.PER_PAGE

    def test_what_people_chose_is_escaped(self, get, principal):
        told(principal, subject="<script>alert(1)</script>", **{"<b>key</b>": "<i>value</i>"})
        page = get().content
        assert b"<script>alert" not in page
        assert b"<i>value" not in page


class TestWords:
    def test_details_are_words_too(self):
        said, details = words(
            "organisation.changed", "Herald", {"changed": {"require_mfa": [False, True], "name": ["A", "B"]}}
        )
        assert said == "changed the settings"
        assert details == [("Second step at sign-in", "no → yes"), ("Name", "A → B")]

    @pytest.mark.parametrize(
        ("change", "shown"),
        [([None, 10 * 2**30], "as for the whole site → 10 GB"), ([10 * 2**30, 0], "10 GB → no limit")],
    )
    def test_a_storage_quota_is_told_as_it_was_written(self, change, shown):
        _, details = words("organisation.changed", "Herald", {"changed": {"storage_quota_bytes": change}})
        assert details == [("Storage, at most", shown)]

    def test_scopes_and_empty_lists(self):
        _, details = words("key.made", "CMS", {"name": "CMS", "scopes": ["audit:read"], "addresses": []})
        assert details == [("May", "see who did what"), ("May be used from", "everywhere")]

    def test_moments_are_local_and_batches_without_a_name_say_so(self):
        with timezone.override("Asia/Tokyo"):
            _, details = words("key.rotated", "CMS", {"expires_at": "2027-02-22T23:51:31.005822+00:00"})
        assert details == [("Value works until", "23 February 2027, 08:51")]
        given = {"reference": "", "images": 72, "state": "cancelled"}
        assert words("batch.cancelled", "5b35", given) == (
            "cancelled the batch without a name",
            [("Images", "72")],
        )

    def test_an_invitation_to_another_address_is_said(self):
        given = {"email": "b@x.org", "role": "member"}
        assert words("member.joined", "B", {**given, "invited_as": "b@x.org"}) == ("joined as member", [])
        assert words("member.joined", "B", {**given, "invited_as": "a@x.org"})[1] == [
            ("Invited under", "a@x.org")
        ]

    @pytest.mark.parametrize("event", [*SENTENCES, "something.quite_new", "odd", "{x}.{0}", ""])
    @pytest.mark.parametrize(
        "details", [{}, {"role": None}, {"changed": 3}, {"scopes": "x", "role": ["a"]}, {"changed": {"a": 1}}]
    )
    def test_nothing_in_the_record_breaks_the_page(self, event, details):
        said, _ = words(event, "Ada {braces} {0}", details)
        assert isinstance(said, str)

    def test_an_unknown_event_is_said_as_well_as_can_be(self):
        assert words("webhook.quite_new", "it", {})[0] == "quite new (webhook): it"

    def test_every_event_that_is_told_somewhere_has_words(self):
        """Looks for ``…tell…("kind.done", …)`` and ``event="kind.done"`` in what sends the signal."""
        pattern = re.compile(r'(?:tell\((?:\w+, )?|event=)"([a-z]+\.[a-z_]+)"')
        sent = {
            event
            for app in ("accounts", "detection")
            for path in Path(ROOT / app).glob("*.py")
            if "happened" in (source := path.read_text()) or "tell(" in source
            for event in pattern.findall(source)
        }
        assert sent
        assert not sent - set(SENTENCES)
