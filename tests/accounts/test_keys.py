"""Making, changing, rotating and revoking keys."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.http import Http404
from django.utils import timezone

from accounts import access, key_selectors, keys
from accounts.access import principal_of_key
from accounts.models import ApiKey, KeySecret, Membership, Role
from accounts.signals import happened

pytestmark = pytest.mark.django_db


@pytest.fixture
def told():
    """What the signal told: event, principal, subject, details."""
    heard = []

    def listen(sender, principal, event, subject, details, **_):
        heard.append((event, principal, subject, details))

    happened.connect(listen)
    yield heard
    happened.disconnect(listen)


def in_days(count: float) -> datetime:
    return timezone.now() + timedelta(days=count)


class TestMake:
    def test_the_value_is_given_once_and_only_its_hash_is_kept(self, make_key, principal, told):
        key, value = make_key(principal, [access.WRITE, access.READ], name=" Content system ")
        secret = KeySecret.objects.get()
        assert (key.name, key.scopes) == ("Content system", [access.READ, access.WRITE])
        assert (key.organisation, key.created_by) == (principal.organisation, principal.user)
        assert (secret.key, secret.made_by, secret.expiry) == (key, principal.user, None)
        assert (value[:15], len(value)) == (secret.token_key, 68)
        assert value not in str(list(KeySecret.objects.values()) + list(ApiKey.objects.values()))
        assert [(event, subject) for event, _, subject, _ in told] == [("key.made", key)]
        assert value not in str(told)

    def test_no_two_values_are_alike(self, make_key, principal):
        assert len({make_key(principal)[1] for _ in range(20)}) == 20

    @pytest.mark.parametrize("role", [Role.MEMBER, Role.AUDITOR])
    def test_only_who_may_make_keys_does(self, make_principal, make_key, role):
        with pytest.raises(PermissionDenied):
            make_key(make_principal(role), [access.READ])

    def test_an_admin_gives_away_all_that_a_key_may_have(self, make_principal, make_key):
        key, _ = make_key(make_principal(Role.ADMIN))
        assert set(key.scopes) == access.SCOPES

    def test_nobody_gives_a_key_the_organisation_itself(self, make_key, principal):
        with pytest.raises(ValidationError) as refused:
            make_key(principal, [access.OWN])
        assert "nothing that a key may be given" in refused.value.message_dict["scopes"][0]

    def test_a_key_makes_none_that_may_more_than_itself(self, make_key, principal):
        key, _ = make_key(principal, [access.KEYS_WRITE, access.READ])
        program = principal_of_key(key)
        with pytest.raises(PermissionDenied, match="Delete any image"):
            make_key(program, [access.READ, access.DELETE])
        child, _ = make_key(program, [access.READ])
        assert child.created_by is None

    def test_a_value_that_a_program_is_given_counts_as_seen_by_who_saw_its_own(
        self, make_principal, make_key
    ):
        admin = make_principal(Role.ADMIN)
        key, _ = make_key(admin)
        child, _ = make_key(principal_of_key(key), [access.READ])
        Membership.objects.filter(user=admin.user, organisation=admin.organisation).delete()
        assert key_selectors.is_closed(key_selectors.with_maker().get(key=child))

    def test_there_is_room_for_so_many(self, make_key, principal, monkeypatch):
        monkeypatch.setattr(keys, "MOST_KEYS", 2)
        first, _ = make_key(principal)
        make_key(principal)
        with pytest.raises(ValidationError, match="Revoke one"):
            make_key(principal)
        keys.revoke(principal=principal, pk=first.pk)
        make_key(principal)

    def test_nothing_is_kept_if_what_happened_cannot_be_written_down(self, make_key, principal):
        def fail(**_):
            raise RuntimeError("no room for the record")

        happened.connect(fail)
        try:
            with pytest.raises(RuntimeError):
                make_key(principal)
        finally:
            happened.disconnect(fail)
        assert not ApiKey.objects.exists()


class TestChange:
    def test_what_is_given_changes_and_is_told(self, make_key, principal, told):
        key, _ = make_key(principal, per_month=5)
        keys.change(
            principal=principal, pk=key.pk, fields={"per_month": None, "name": "New", "per_minute": 120}
        )
        key.refresh_from_db()
        assert (key.name, key.per_month, key.per_minute) == ("New", None, 120)
        assert told[-1][0::3] == ("key.changed", {"per_month": None, "name": "New"})

    def test_what_is_as_it_was_is_not_told(self, make_key, principal, told):
        key, _ = make_key(principal)
        keys.change(principal=principal, pk=key.pk, fields={"name": key.name})
        assert len(told) == 1

    @pytest.mark.parametrize("field", ["organisation", "revoked_at", "expires_at", "id", "__class__"])
    def test_other_fields_are_refused(self, make_key, principal, field):
        key, _ = make_key(principal)
        with pytest.raises(ValidationError) as refused:
            keys.change(principal=principal, pk=key.pk, fields={field: "x"})
        assert refused.value.message_dict == {field: ["A key has no such field."]}

    def test_a_key_changes_none_that_may_more_than_itself(self, make_key, principal):
        strong, _ = make_key(principal)
        weak, _ = make_key(principal, [access.KEYS_WRITE])
        program = principal_of_key(weak)
        with pytest.raises(PermissionDenied):
            keys.change(principal=program, pk=strong.pk, fields={"scopes": [access.KEYS_WRITE]})
        with pytest.raises(PermissionDenied):
            keys.rotate(principal=program, pk=strong.pk)
        with pytest.raises(PermissionDenied):
            keys.change(principal=program, pk=weak.pk, fields={"scopes": [access.DELETE]})

    def test_a_key_may_rotate_itself(self, make_key, principal):
        key, _ = make_key(principal, [access.KEYS_WRITE])
        keys.rotate(principal=principal_of_key(key), pk=key.pk)
        assert {each.made_by for each in key.secrets.all()} == {principal.user}


class TestRotate:
    def test_the_old_value_ends_after_the_overlap(self, make_key, principal, told):
        key, old = make_key(principal)
        before = timezone.now()
        _, new = keys.rotate(principal=principal, pk=key.pk, overlap_hours=2, expires_at=in_days(9))
        ends = {each.token_key: each.expiry for each in key.secrets.all()}
        assert ends[old[:15]] - before >= timedelta(hours=2)
        assert ends[old[:15]] - timezone.now() <= timedelta(hours=2)
        assert ends[new[:15]] > in_days(8.9)
        assert told[-1][0] == "key.rotated"
        assert new not in str(told)

    def test_an_overlap_makes_no_value_last_longer(self, make_key, principal):
        key, _ = make_key(principal, expires_at=in_days(0.01))
        ends = key.secrets.get().expiry
        keys.rotate(principal=principal, pk=key.pk, overlap_hours=24)
        assert key.secrets.order_by("created").first().expiry == ends

    def test_with_no_overlap_the_old_value_opens_nothing_at_once(self, make_key, principal):
        key, _ = make_key(principal)
        keys.rotate(principal=principal, pk=key.pk, overlap_hours=0)
        assert key_selectors.is_expired(key.secrets.order_by("created").first())

    @pytest.mark.parametrize("hours", [-1, 169, 1.5, "24", None, True, 10**30])
    def test_an_overlap_is_a_whole_number_of_hours(self, make_key, principal, hours):
        key, _ = make_key(principal)
        with pytest.raises(ValidationError) as refused:
            keys.rotate(principal=principal, pk=key.pk, overlap_hours=hours)
        assert "overlap_hours" in refused.value.message_dict
        assert key.secrets.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_every_value_but_the_last_ends(self, make_key, make_principal):
        principal = make_principal()
        key, _ = make_key(principal)
        start = Barrier(6)

        def one(_: int) -> None:
            try:
                start.wait()
                keys.rotate(principal=principal, pk=key.pk, overlap_hours=1)
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(one, range(6)))
        assert key.secrets.count() == 7
        assert key.secrets.filter(expiry=None).count() == 1


class TestRevoke:
    def test_it_is_for_good_and_told_once(self, make_key, principal, told):
        key, _ = make_key(principal)
        keys.revoke(principal=principal, pk=key.pk)
        first = keys.revoke(principal=principal, pk=key.pk).revoked_at
        assert [event for event, *_ in told] == ["key.made", "key.revoked"]
        for again in (
            lambda: keys.rotate(principal=principal, pk=key.pk),
            lambda: keys.change(principal=principal, pk=key.pk, fields={"name": "x"}),
        ):
            with pytest.raises(ValidationError) as refused:
                again()
            assert refused.value.code == "key_revoked"
        key.refresh_from_db()
        assert key.revoked_at == first

    def test_a_weaker_key_revokes_no_stronger_one(self, make_key, principal):
        strong, _ = make_key(principal)
        weak, _ = make_key(principal, [access.KEYS_WRITE])
        with pytest.raises(PermissionDenied):
            keys.revoke(principal=principal_of_key(weak), pk=strong.pk)
        assert keys.revoke(principal=principal_of_key(strong), pk=weak.pk).revoked_at


@pytest.mark.parametrize(
    "act",
    [
        lambda principal, pk: keys.change(principal=principal, pk=pk, fields={"name": "x"}),
        lambda principal, pk: keys.rotate(principal=principal, pk=pk),
        lambda principal, pk: keys.revoke(principal=principal, pk=pk),
        key_selectors.card,
    ],
)
def test_another_organisations_key_is_not_there(make_key, make_principal, act):
    key, _ = make_key()
    with pytest.raises(Http404):
        act(make_principal(), key.pk)
    with pytest.raises(PermissionDenied):
        act(make_principal(Role.MEMBER, key.organisation), key.pk)


class TestCards:
    def test_they_tell_whether_a_key_works(self, make_key, make_principal):
        principal = make_principal()
        admin = make_principal(Role.ADMIN, principal.organisation)
        make_key(principal, name="works")
        expired, _ = make_key(principal, name="expired")
        expired.secrets.update(expiry=timezone.now())
        make_key(admin, name="closed")
        revoked, _ = make_key(principal, name="revoked")
        keys.revoke(principal=principal, pk=revoked.pk)
        Membership.objects.filter(user=admin.user, organisation=principal.organisation).delete()
        states = {card.key.name: card.state for card in key_selectors.cards(principal)}
        assert states == {name: name for name in ("works", "closed", "expired", "revoked")}
        order = [*states]
        assert (order[0], order[-1]) == ("works", "revoked")

    def test_a_key_whose_new_value_rests_works_by_its_old_one(self, make_key, make_principal):
        principal = make_principal()
        admin = make_principal(Role.ADMIN, principal.organisation)
        key, old = make_key(principal)
        keys.rotate(principal=admin, pk=key.pk)
        Membership.objects.filter(user=admin.user, organisation=principal.organisation).delete()
        card = key_selectors.card(principal, key.pk)
        assert (card.state, [each.token_key for each in card.values]) == ("works", [old[:15]])

    def test_what_a_demoted_makers_value_may_no_more_is_said(self, make_key, make_principal):
        principal = make_principal()
        admin = make_principal(Role.ADMIN, principal.organisation)
        key, _ = make_key(admin, [access.READ, access.KEYS_WRITE])
        Membership.objects.filter(user=admin.user, organisation=principal.organisation).update(
            role=Role.MEMBER
        )
        card = key_selectors.card(principal, key.pk)
        assert card.withheld == [access.PERMISSIONS[access.KEYS_WRITE]]

    def test_queries_do_not_grow_with_the_keys(self, make_key, principal, django_assert_num_queries):
        for _ in range(5):
            make_key(principal)
        with django_assert_num_queries(3):
            cards = key_selectors.cards(principal)
        assert len(cards) == 5
