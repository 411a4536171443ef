"""Addresses of an organisation's people, of invitations, and of organisations still to be founded."""

from __future__ import annotations

from django.urls import path

from accounts import invitation_pages, looking_pages, member_pages

MEMBERS = "o/<slug:organisation>/members/"
ONE = MEMBERS + "<int:pk>/"
INVITATION = MEMBERS + "invitations/<uuid:pk>/"

urlpatterns = [
    path("o/<slug:organisation>/look-through/", looking_pages.look_through, name="look_through"),
    path(MEMBERS, member_pages.members, name="members"),
    path(MEMBERS + "invite/", member_pages.invite, name="invite"),
    path(MEMBERS + "leave/", member_pages.leave, name="leave"),
    path(ONE + "role/", member_pages.role, name="member_role"),
    path(ONE + "remove/", member_pages.remove, name="member_remove"),
    path(ONE + "ownership/", member_pages.give_ownership, name="member_ownership"),
    path(INVITATION + "resend/", member_pages.resend, name="invitation_resend"),
    path(INVITATION + "revoke/", member_pages.revoke, name="invitation_revoke"),
    path("invitations/<str:token>/", invitation_pages.invitation, name="invitation"),
    path("organisations/new/", invitation_pages.found, name="organisation_new"),
]
