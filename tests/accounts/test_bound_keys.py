"""A key that is bound to networks gives nothing that works outside of them."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from hypothesis import given
from hypothesis import strategies as st

from accounts import access, key_rules, key_selectors, keys, usage, usage_selectors
from accounts.access import principal_of_key
from accounts.models import ApiKey

pytestmark = pytest.mark.django_db
SCOPES = [access.KEYS_WRITE, access.KEYS_READ]
WITHIN, OUTSIDE = ["10.1.0.0/16"], [[], ["192.0.2.7"], ["10.1.0.0/16", "2001:db8::/32"], ["0.0.0.0/0"]]


@pytest.fixture
def program(principal, make_key):
    return principal_of_key(make_key(principal, SCOPES, addresses=["10.0.0.0/8"])[0])


@pytest.mark.parametrize("addresses", OUTSIDE)
def test_it_makes_none_for_elsewhere(program, addresses):
    with pytest.raises(PermissionDenied, match=r"from 10\.0\.0\.0/8 alone"):
        keys.make(principal=program, name="x", scopes=SCOPES, addresses=addresses)
    assert ApiKey.objects.count() == 1


def test_it_makes_some_for_a_part(program):
    key, _ = keys.make(principal=program, name="x", scopes=SCOPES, addresses=WITHIN)
    assert key.addresses == WITHIN


@pytest.mark.parametrize("addresses", OUTSIDE)
def test_it_lets_none_out_and_itself_neither(program, addresses):
    with pytest.raises(PermissionDenied):
        keys.change(principal=program, pk=program.key.pk, fields={"addresses": addresses})


def test_it_gets_no_value_of_one_that_works_elsewhere(program, principal, make_key):
    other, _ = make_key(principal, SCOPES)
    for act in (
        lambda: keys.rotate(principal=program, pk=other.pk),
        lambda: keys.change(principal=program, pk=other.pk, fields={"name": "x"}),
    ):
        with pytest.raises(PermissionDenied):
            act()
    keys.rotate(principal=program, pk=program.key.pk)


def test_people_and_unbound_keys_are_not_bound(principal, make_key):
    unbound = principal_of_key(make_key(principal, SCOPES)[0])
    bound, _ = make_key(principal, SCOPES, addresses=WITHIN)
    for each in (principal, unbound):
        for addresses in ([], WITHIN):
            changed = keys.change(principal=each, pk=bound.pk, fields={"addresses": addresses})
            assert changed.addresses == addresses


@given(
    st.lists(st.ip_addresses().map(str), max_size=3),
    st.lists(st.sampled_from(["0.0.0.0/0", "::/0", "10.0.0.0/8", "2001:db8::/32"]), max_size=2),
)
def test_no_mixture_of_versions_raises(addresses, bounds):
    assert key_rules.within(addresses, bounds) in (True, False)


class TestOldKeysDoNotPileUp:
    def test_on_the_page_of_keys(self, member_client, principal, make_key, monkeypatch):
        monkeypatch.setattr(key_selectors, "MOST_REVOKED", 3)
        for number in range(5):
            key, _ = make_key(principal, name=f"old{number}")
            keys.revoke(principal=principal, pk=key.pk)
        make_key(principal, name="in use")
        page = member_client.get(f"/o/{principal.organisation.slug}/keys/").content.decode()
        assert "in use" in page
        assert "The last 3 that were revoked" in page
        assert [f"old{number}" in page for number in range(5)] == [False, False, True, True, True]

    def test_nor_in_the_usage_of_a_month(self, principal, make_key):
        names = []
        for name in ("used", "unused"):
            key, _ = make_key(principal, name=name)
            if name == "used":
                usage.count_images(principal_of_key(key))
            keys.revoke(principal=principal, pk=key.pk)
        names = [str(share.key) for share in usage_selectors.month(principal) if share.key]
        assert names == ["used"]
