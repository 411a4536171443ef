"""Two organisations with one row of each kind, and somebody of every kind who asks for the first one's."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.http import HttpRequest
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from accounts import access, keys, members, organisations, services
from accounts.access import Principal, principal_for
from accounts.models import ApiKey, Invitation, JoinDomain, KeySecret, Membership, Organisation, Role, User
from detection.models import Detection
from tests.api.conftest import bearer
from tests.api.seeded import seed
from tests.conftest import PASSWORD
from tests.detection_pages import factory
from tests.hostile import png
from tests.isolation.expected import KEYS, Who

NAME, THEIRS = "Sealed Herald", "Other Gazette"
MARKS = (NAME.encode(), b"sealed.png")  # what nobody outside of the organisation gets to read
OTHERS = {
    "kind": "original",
    "name": "cifake_resnet",
    "picture": "reliability",
    "stage": "lime",
    "slug": "not-found",
    "token": "sealed",
    "key": "set-password",
    "uidb36": "1",
    "provider_id": "sso",
    "app_label": "accounts",
    "content_type_id": "1",
    "rest": "v1/nothing/",
    "url": "nothing/",
}


class Asker(Client):
    """The answer alone: what ``Client`` keeps of each template costs more than the page itself."""

    def request(self, **request: Any) -> Any:
        return self.handler(self._base_environ(**request))


class World:
    """``ids`` and ``their_ids`` fill addresses in; ``asking(who)`` makes somebody ask."""

    def __init__(self) -> None:
        self.owner, self.ids = self._organisation(NAME, "sealed")
        self.other, self.their_ids = self._organisation(THEIRS, "others")
        self.sessions: dict[str, str] = {}
        self.handler = ClientHandler(enforce_csrf_checks=False)  # one: each reads all static files anew
        self.secrets: dict[str, str] = {}
        self._people()
        self._keys()

    @property
    def organisation(self) -> Organisation:
        return self.owner.organisation

    def _organisation(self, name: str, mark: str) -> tuple[Principal, dict[str, str]]:
        user = User.objects.create_user(f"owner@{mark}.example", PASSWORD)
        found = services.found_organisation(name=name, owner=user)
        owner = principal_for(user, found.slug)
        ids = seed(owner, mark)
        organisations.set_logo(principal=owner, data=png(64, 64))
        domain = JoinDomain.objects.create(organisation=found, domain=f"{mark}.example")
        Invitation.objects.filter(organisation=found).update(expires_at=timezone.now() + timedelta(days=1))
        ApiKey.objects.filter(organisation=found).update(scopes=[])  # so that every key is as strong
        factory.done(owner, f"{mark}.png")
        return owner, {**OTHERS, **ids, "domains": str(domain.pk), "organisation": found.slug}

    def _people(self) -> None:
        for role in Role:
            self._sign_in(role, self._member(role) if role != Role.OWNER else self.owner.user)
        self.sessions["owner without a second factor"] = self.sessions[Role.OWNER]
        self._sign_in("outsider", User.objects.create_user("outsider@example.org", PASSWORD))
        self._sign_in("staff", User.objects.create_superuser("staff@example.org", PASSWORD))
        removed, suspended = self._member(Role.ADMIN, "removed"), self._member(Role.ADMIN, "suspended")
        self._sign_in("removed a second ago", removed)
        self._sign_in("suspended", suspended)
        members.remove(principal=self.owner, pk=removed.memberships.get(organisation=self.organisation).pk)
        User.objects.filter(pk=suspended.pk).update(is_active=False)

    def _member(self, role: str, name: str = "") -> User:
        user = User.objects.create_user(f"{name or role}@example.org", PASSWORD)
        Membership.objects.create(organisation=self.organisation, user=user, role=role)
        return user

    def _sign_in(self, name: str, user: Any) -> None:
        """As by the password just now, which some pages of one's own account ask for."""
        client = Client()
        client.force_login(user)
        request = HttpRequest()
        request.session = client.session
        record_authentication(request, user, method="password", reauthenticated=True)
        request.session.save()
        self.sessions[name] = client.cookies[settings.SESSION_COOKIE_NAME].value

    def _keys(self) -> None:
        everything = sorted(access.SCOPES)
        for who in KEYS:
            self.secrets[who.name] = self._key(self.owner, sorted(who.may))[1]
        self.secrets["key with every scope"] = self._key(self.owner, everything)[1]
        self.secrets["key of another organisation"] = self._key(self.other, everything)[1]
        self.secrets["unknown key"] = f"{self.secrets['key with every scope'][:-4]}0000"
        expired, self.secrets["expired key"] = self._key(self.owner, everything)
        KeySecret.objects.filter(key=expired).update(expiry=timezone.now() - timedelta(seconds=1))
        revoked, self.secrets["revoked key"] = self._key(self.owner, everything)
        keys.revoke(principal=self.owner, pk=revoked.pk)

    def _key(self, principal: Principal, scopes: list[str]) -> tuple[ApiKey, str]:
        return keys.make(principal=principal, name="Program", scopes=scopes)

    def client(self, who: Who) -> Client:
        secret = self.secrets.get(who.name)
        client = Asker(headers=bearer(secret) if secret else None)
        client.handler = self.handler
        if session := self.session(who):
            client.cookies[settings.SESSION_COOKIE_NAME] = session
        return client

    def session(self, who: Who) -> str:
        alone = who.signed_in and who.name not in self.sessions
        return self.sessions[Role.MEMBER] if alone else self.sessions.get(who.name, "")

    def as_it_is_for(self, who: Who) -> ExitStack:
        """What has to hold while they ask: the right of a role with one, the organisation's demand."""
        cache.clear()  # limits are counted there
        stack = ExitStack()
        if who.belongs and who.name not in self.sessions:
            stack.enter_context(patch.dict(access.ALLOWED, {Role.MEMBER: who.may}))
        if who.belongs:
            Organisation.objects.filter(pk=self.organisation.pk).update(require_mfa=who.lacks_factor)
        return stack

    def site_ids(self) -> dict[str, str]:
        """For addresses that are no organisation's: somebody else's passkey, an organisation to join."""
        somebody = User.objects.get(email="sealed@example.org")
        passkey = Authenticator.objects.create(
            user=somebody, type=Authenticator.Type.WEBAUTHN, data={"name": "Passkey", "credential": {}}
        )
        return {**self.ids, "keys": str(passkey.pk)}

    def admin_ids(self) -> dict[str, str]:
        """A row of each model that the admin shows; where there is none, an id that leads to the list."""
        rows = {model: model._default_manager.first() for model in admin.site._registry}
        rows[Detection] = Detection.objects.get(pk=self.ids["detections"])
        rows[User] = User.objects.get(email="outsider@example.org")
        shown = {
            f"{model._meta.app_label}/{model._meta.model_name}": str(row.pk if row else 1)
            for model, row in rows.items()
        }
        return {**self.ids, **shown, "user": shown["accounts/user"]}
