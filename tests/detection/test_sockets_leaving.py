"""Who may listen no longer, is heard no longer: at once, not with the next look at the rows."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from accounts import members
from accounts.models import Membership, Role
from detection import sockets
from tests.detection.browser import Browser, one, session_of, stream
from tests.detection.conftest import PATIENCE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toy")]


@pytest.mark.usefixtures("long_timer", "layer")
class TestAtOnce:
    """The timer never turns in these tests: whoever is shut out hears of it by a push."""

    @pytest.fixture
    def colleague(self, principal, make_principal):
        return make_principal("admin", principal.organisation)

    @pytest.fixture
    def their_cookie(self, client, colleague) -> str:
        client.force_login(colleague.user)
        return session_of(client)

    @pytest.mark.parametrize("single", [False, True])
    @pytest.mark.parametrize("ending", ["removed", "left", "suspended", "removed in the admin", "deleted"])
    async def test_who_is_shut_out_is_cut_off(
        self, principal, colleague, their_cookie, submit, ending, single
    ):
        detection = await sync_to_async(submit)()
        path = one(principal, detection.pk) if single else stream(principal)
        membership = await Membership.objects.aget(user=colleague.user, organisation=principal.organisation)
        async with Browser(path, their_cookie) as browser:
            await browser.hear()
            if ending == "removed":
                await sync_to_async(members.remove)(principal=principal, pk=membership.pk)
            elif ending == "left":
                await sync_to_async(members.leave)(principal=colleague)
            elif ending == "suspended":
                colleague.user.is_active = False
                await colleague.user.asave()
            elif ending == "removed in the admin":
                await membership.adelete()
            else:
                await colleague.user.adelete()
            assert await browser.closed() == sockets.NO_LONGER_YOURS

    async def test_nothing_more_is_told_to_who_was_removed(self, principal, colleague, their_cookie, submit):
        """A submission right behind the removal: both wake the socket."""
        membership = await Membership.objects.aget(user=colleague.user, organisation=principal.organisation)
        async with Browser(stream(principal), their_cookie) as browser:
            await sync_to_async(members.remove)(principal=principal, pk=membership.pk)
            await sync_to_async(submit)("secret.png")
            assert (await browser.socket.receive_output(PATIENCE))["type"] == "websocket.close"

    async def test_another_role_counts_at_once_and_the_socket_stays(
        self, principal, colleague, their_cookie, submit, monkeypatch
    ):
        admitted = []
        monkeypatch.setattr(
            sockets.DetectionConsumer,
            "_admit",
            lambda self, admit=sockets.DetectionConsumer._admit: admitted.append(admit(self)) or admitted[-1],
        )
        membership = await Membership.objects.aget(user=colleague.user, organisation=principal.organisation)
        async with Browser(stream(principal), their_cookie) as browser:
            await sync_to_async(members.change_role)(principal=principal, pk=membership.pk, role=Role.AUDITOR)
            await sync_to_async(submit)("next.png")
            assert (await browser.hear())["detection"]["name"] == "next.png"
        assert [each.role for each in admitted] == ["admin", "auditor"]

    async def test_others_of_the_organisation_hear_on(
        self, principal, colleague, cookie, their_cookie, submit, client
    ):
        """``their_cookie`` is of the same browser: sign in anew for the owner's."""
        await sync_to_async(client.force_login)(principal.user)
        async with Browser(stream(principal), session_of(client)) as browser:
            await sync_to_async(members.leave)(principal=colleague)
            await sync_to_async(submit)("next.png")
            assert (await browser.hear())["detection"]["name"] == "next.png"
