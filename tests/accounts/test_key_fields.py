"""What may be in the fields of a key, and what is made of it."""

from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts import key_rules
from accounts.models import ApiKey

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


class TestFields:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "  "),
            ("name", 81 * "x"),
            ("name", "a\x00b"),
            ("name", "a\nb"),
            ("name", None),
            ("name", 5),
            ("scopes", []),
            ("scopes", "detections:read"),
            ("scopes", None),
            ("scopes", [["detections:read"]]),
            ("scopes", [1]),
            ("scopes", {"detections:read": True}),
            ("scopes", ["detections:fly"]),
            ("addresses", "192.0.2.1"),
            ("addresses", [5]),
            ("addresses", ["300.0.0.1"]),
            ("addresses", ["example.org"]),
            ("addresses", ["192.0.2.7/24"]),
            ("addresses", ["192.0.2.0/33"]),
            ("addresses", ["fe80::1%eth0"]),
            ("addresses", [1000 * "1"]),
            ("addresses", [f"192.0.2.{n}" for n in range(51)]),
            ("per_minute", 0),
            ("per_minute", 10_001),
            ("per_minute", "5"),
            ("per_minute", 1.0),
            ("per_minute", True),
            ("per_minute", None),
            ("per_month", 0),
            ("per_month", -5),
            ("per_month", 10**20),
            ("per_month", "all"),
        ],
    )
    def test_nonsense_is_refused_with_a_sentence_at_its_field(self, make_key, principal, field, value):
        with pytest.raises(ValidationError) as refused:
            make_key(principal, **{field: value})
        assert list(refused.value.message_dict) == [field]
        assert all(each.endswith((".", ")")) for each in refused.value.message_dict[field])
        assert not ApiKey.objects.exists()

    @pytest.mark.parametrize("moment", ["2099-01-01", datetime(2099, 1, 1), 0, timezone.now() - DAY])
    def test_an_end_is_a_moment_to_come(self, make_key, principal, moment):
        with pytest.raises(ValidationError) as refused:
            make_key(principal, expires_at=moment)
        assert "expires_at" in refused.value.message_dict

    def test_addresses_are_kept_as_networks_each_once(self, make_key, principal):
        listed = [" 192.0.2.7", "192.0.2.7/32", "2001:DB8::/32", "", "::ffff:198.51.100.0/120"]
        key, _ = make_key(principal, addresses=listed)
        assert key.addresses == ["192.0.2.7/32", "2001:db8::/32", "198.51.100.0/24"]

    @given(
        st.ip_addresses() | st.ip_addresses().map(lambda address: f"{address}/{address.max_prefixlen // 2}")
    )
    def test_every_address_is_taken_or_corrected(self, address):
        text = str(address)
        if str(ip_network(text, strict=False).network_address) == text.partition("/")[0]:
            (stored,) = key_rules.checked(addresses=[text])["addresses"]
            assert ip_network(stored)
        else:
            with pytest.raises(ValidationError, match="For its whole network write"):
                key_rules.checked(addresses=[text])

    @given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=4))
    def test_whatever_json_holds_ends_in_a_value_or_a_sentence(self, value):
        for field in ("name", "scopes", "addresses", "per_minute", "per_month"):
            with suppress(ValidationError):
                assert list(key_rules.checked(**{field: value})) == [field]
