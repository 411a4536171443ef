"""Members and invitations in the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import invitations, members, selectors
from accounts.access import MEMBERS_READ, MEMBERS_WRITE
from accounts.api_base import ApiView, query
from accounts.api_defaults import JsonParser
from accounts.api_fields import LOCATION, PageQuery, lists
from accounts.api_problem import Problem
from accounts.api_refusals import refusals
from accounts.api_shapes import (
    InvitationOrder,
    InvitationShape,
    MemberChange,
    MemberShape,
    SentInvitationShape,
)
from accounts.models import Invitation, Role
from accounts.site import site_of

CHANGE = (MEMBERS_WRITE, MEMBERS_READ)  # who changes people sees who they are


class MembersView(ApiView):
    permissions = {"GET": MEMBERS_READ}

    @lists("members_list", ["Members"], "List members", MemberShape)
    def get(self, request: Request) -> Response:
        """Who belongs to the organisation, who joined last first."""
        query(request, PageQuery)
        return self.paged(selectors.members(self.principal), lambda row: MemberShape(row).data)


class MemberView(ApiView):
    parser_classes = [JsonParser]
    permissions = {"GET": MEMBERS_READ, "PATCH": CHANGE, "DELETE": CHANGE}
    problems = {"PATCH": (409,), "DELETE": (409,)}

    @extend_schema(
        operation_id="members_read", tags=["Members"], summary="Read a member", responses=MemberShape
    )
    def get(self, request: Request, pk: int) -> Response:
        """One member."""
        return Response(MemberShape(selectors.member(self.principal, pk)).data)

    @extend_schema(
        operation_id="members_change",
        tags=["Members"],
        summary="Give a member another role",
        request=MemberChange,
        responses=MemberShape,
        examples=[OpenApiExample("Auditor", {"role": "auditor"}, request_only=True)],
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Both roles have to be ones that the key holds all permissions of. Only a person makes owners."""
        asked = MemberChange(data=request.data)
        asked.is_valid(raise_exception=True)
        role = Role(asked.validated_data["role"])
        with refusals():
            membership = members.change_role(principal=self.principal, pk=pk, role=role)
        return Response(MemberShape(membership).data)

    @extend_schema(
        operation_id="members_remove", tags=["Members"], summary="Remove a member", responses={204: None}
    )
    def delete(self, request: Request, pk: int) -> Response:
        """At once: their pages close, and values of keys that they saw stop working. It cannot be undone,
        but they can be invited again."""
        with refusals():
            members.remove(principal=self.principal, pk=pk)
        return Response(status=204)


class InvitationsView(ApiView):
    parser_classes = [JsonParser]
    permissions = {"GET": MEMBERS_READ, "POST": CHANGE}
    problems = {"POST": (409,)}

    @lists("invitations_list", ["Invitations"], "List open invitations", InvitationShape)
    def get(self, request: Request) -> Response:
        """Neither accepted nor revoked; expired ones too, for they can be sent again."""
        query(request, PageQuery)
        rows = selectors.open_invitations(self.principal)
        return self.paged(rows, lambda row: InvitationShape(row).data)

    @extend_schema(
        operation_id="invitations_send",
        tags=["Invitations"],
        summary="Invite somebody",
        request=InvitationOrder,
        responses={201: SentInvitationShape},
        parameters=[LOCATION],
        examples=[
            OpenApiExample("A member", {"email": "ada@example.org", "role": "member"}, request_only=True)
        ],
    )
    def post(self, request: Request) -> Response:
        """Sends an e-mail with a link that makes its reader a member, once, within seven days.

        Who is invited already gets a new link, and this role. The key has to hold all that the role may.
        """
        asked = InvitationOrder(data=request.data)
        asked.is_valid(raise_exception=True)
        email, role = asked.validated_data["email"], Role(asked.validated_data["role"])
        with refusals("email"):
            done = invitations.invite(
                principal=self.principal, emails=[email], role=role, site=site_of(request._request)
            )
        if done.members:
            raise Problem("conflict", f"{email} is a member already.", code="member")
        row = selectors.open_invitations(self.principal).get(email=[*done.sent, *done.unsent][0])
        where = reverse("api_invitation", args=[row.pk])
        return Response(_sent(row, bool(done.sent)), status=201, headers={"Location": where})


class InvitationView(ApiView):
    permissions = {"GET": MEMBERS_READ, "DELETE": CHANGE}

    @extend_schema(
        operation_id="invitations_read",
        tags=["Invitations"],
        summary="Read an open invitation",
        responses=InvitationShape,
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """One that is neither accepted nor revoked."""
        return Response(InvitationShape(selectors.open_invitation(self.principal, pk)).data)

    @extend_schema(
        operation_id="invitations_revoke",
        tags=["Invitations"],
        summary="Revoke an invitation",
        responses={204: None},
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        """Its link opens nothing any more."""
        invitations.revoke(principal=self.principal, pk=pk)
        return Response(status=204)


class ResendView(ApiView):
    permissions = {"POST": CHANGE}

    @extend_schema(
        operation_id="invitations_resend",
        tags=["Invitations"],
        summary="Send an invitation again",
        request=None,
        responses=SentInvitationShape,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """A new link, good for seven days; the old one opens nothing any more."""
        with refusals():
            mailed = invitations.resend(principal=self.principal, pk=pk, site=site_of(request._request))
        return Response(_sent(selectors.open_invitation(self.principal, pk), mailed))


def _sent(row: Invitation, mailed: bool) -> dict[str, Any]:
    return {**InvitationShape(row).data, "mailed": mailed}
