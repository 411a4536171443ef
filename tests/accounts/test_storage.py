"""Sizes as people write them, and the quota in the admin."""

from __future__ import annotations

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from accounts import storage
from accounts.models import Organisation, StorageUse
from history.models import AuditEvent

SIZES = [
    ("10 GB", 10 * 2**30),
    ("1.5tb", 3 * 2**39),
    (" 500 MB ", 500 * 2**20),
    ("1,024", 1024),
    ("7 B", 7),
    ("2g", 2**31),
]


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_sizes_are_read_as_people_write_them(text, size):
    assert storage.size_from(text) == size


@pytest.mark.parametrize(
    "text", ["", "much", "-1", "1e9", "10 PB", "٣", "9" * 5000, "9" * 5000 + "tb", str(2**63), "nan"]
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        storage.size_from(text)


@given(st.integers(0, 2**63 - 1))
def test_a_size_that_is_shown_is_read_back_exactly(size):
    assert storage.size_from(storage.exact_words(size)) == size


@pytest.mark.django_db
class TestAdmin:
    @pytest.fixture
    def save(self, client, make_user, principal):
        """``save("10 GB")``: the organisation's form with that quota."""
        client.force_login(make_user(is_staff=True, is_superuser=True))
        organisation = principal.organisation
        address = reverse("admin:accounts_organisation_change", args=[organisation.pk])

        def act(quota: str):
            fields = {
                name: getattr(organisation, name) for name in ("name", "slug", "error_rate", "time_zone")
            }
            inline = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
            return client.post(address, {**fields, **inline, "storage_quota_bytes": quota})

        act.page = lambda: client.get(address).content.decode()
        act.list = lambda: client.get(reverse("admin:accounts_organisation_changelist")).content.decode()
        return act

    @pytest.mark.parametrize(
        ("quota", "kept", "shown"), [("1.5 GB", 3 * 2**29, "1536 MB"), ("0", 0, "0"), ("", None, "")]
    )
    def test_it_is_set_in_words_and_shown_again(self, save, principal, quota, kept, shown):
        Organisation.objects.update(storage_quota_bytes=5)
        assert save(quota).status_code == 302
        assert Organisation.objects.get(pk=principal.organisation.pk).storage_quota_bytes == kept
        assert (f'value="{shown}"' in save.page()) == bool(shown)

    def test_what_is_no_size_is_a_sentence(self, save):
        response = save("plenty")
        assert response.status_code == 200
        assert "Enter a size as in 500 MB" in response.content.decode()

    def test_the_organisations_record_says_so(self, save):
        save("10 GB")
        assert AuditEvent.objects.get().details["changed"] == {"storage_quota_bytes": [None, 10 * 2**30]}

    def test_saving_changes_nothing_of_what_is_counted(self, save, principal):
        storage.take(principal.organisation.pk, 3 * 2**20)
        save("10 GB")
        assert StorageUse.objects.get().bytes == 3 * 2**20
        assert "3.0 MB" in save.page()
        assert "3.0 MB" in save.list()
