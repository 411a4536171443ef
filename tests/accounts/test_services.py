"""An organisation for everybody, under a free address."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts import services
from accounts.models import Membership, Organisation, Role, User


def test_a_new_person_owns_an_organisation(make_user):
    user = make_user("ada.brenner@herald.example", name="Ada Brenner")
    membership = user.memberships.get()
    assert membership.role == Role.OWNER
    assert (membership.organisation.name, membership.organisation.slug) == ("Ada Brenner", "ada-brenner")


def test_without_a_name_the_address_names_it(make_user):
    assert make_user("ada.b@herald.example").organisations.get().name == "ada.b"


@pytest.mark.django_db
def test_createsuperuser_founds_one_too(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse 9")
    call_command("createsuperuser", email="root@example.org", interactive=False, verbosity=0)
    assert User.objects.get(email="root@example.org").organisations.get().slug == "root"


def test_saving_again_founds_no_second_one(make_user):
    user = make_user()
    user.name = "Changed"
    user.save()
    User.objects.get(pk=user.pk).save()
    assert user.organisations.count() == 1


@pytest.mark.django_db
def test_an_address_has_one_spelling_however_the_user_is_made():
    user = User(email=" Ada@Herald.example")
    user.save()
    assert User.objects.get().email == user.email == "ada@herald.example"


@pytest.mark.django_db
def test_no_user_without_organisation(monkeypatch):
    def broken(**_):
        raise RuntimeError("disk full")

    monkeypatch.setattr(services, "found_organisation", broken)
    with pytest.raises(RuntimeError):
        User.objects.create_user("ada@example.org", "x")
    assert not User.objects.exists()
    assert not Organisation.objects.exists()


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("The Herald", "the-herald"),
        ("Ärzteblatt", "arzteblatt"),
        ("新聞社", "organisation"),
        ("../../etc", "etc"),
        ("   ", "organisation"),
        ("n" * 500, "n" * 51),
    ],
)
def test_any_name_gives_a_slug(make_user, name, slug):
    assert services.found_organisation(name=name, owner=make_user()).slug == slug


def test_a_taken_slug_gets_an_ending(make_user, make_organisation):
    first, second = make_organisation("The Herald"), make_organisation("The Herald")
    assert first.slug == "the-herald"
    assert re.fullmatch(r"the-herald-[0-9a-f]{8}", second.slug)
    assert second.name == "The Herald"


def test_the_longest_name_still_fits_when_taken(make_organisation):
    slugs = {make_organisation("n" * 500).slug for _ in range(3)}
    assert len(slugs) == 3
    assert max(map(len, slugs)) == 60


def test_another_broken_rule_is_not_mistaken_for_a_taken_slug(make_user, monkeypatch):
    user = make_user()
    monkeypatch.setattr(Organisation.objects, "create", lambda **_: Membership.objects.create(user=user))
    with pytest.raises(IntegrityError), transaction.atomic():
        services.found_organisation(name="Broken", owner=user)


@pytest.mark.django_db(transaction=True)
def test_many_founders_of_one_name_at_once():
    founders = 8
    start = Barrier(founders)

    def sign_up(number: int) -> str:
        try:
            start.wait()
            user = User.objects.create_user(f"ada@paper{number}.example", "x")
            return user.organisations.get().slug
        finally:
            connection.close()

    with ThreadPoolExecutor(founders) as pool:
        slugs = list(pool.map(sign_up, range(founders)))
    assert len(set(slugs)) == founders
    assert "ada" in slugs
    assert all(slug.startswith("ada") for slug in slugs)
    assert Organisation.objects.count() == Membership.objects.count() == founders
