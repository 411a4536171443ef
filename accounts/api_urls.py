"""Addresses of the organisation's part of the API."""

from __future__ import annotations

from django.urls import path

from accounts import api_keys, api_members, api_organisation, api_usage

urlpatterns = [
    path("organisation/", api_organisation.OrganisationView.as_view(), name="api_organisation"),
    path("members/", api_members.MembersView.as_view(), name="api_members"),
    path("members/<int:pk>/", api_members.MemberView.as_view(), name="api_member"),
    path("invitations/", api_members.InvitationsView.as_view(), name="api_invitations"),
    path("invitations/<uuid:pk>/", api_members.InvitationView.as_view(), name="api_invitation"),
    path("invitations/<uuid:pk>/resend/", api_members.ResendView.as_view(), name="api_invitation_resend"),
    path("keys/", api_keys.KeysView.as_view(), name="api_keys"),
    path("keys/<uuid:pk>/", api_keys.KeyView.as_view(), name="api_key"),
    path("keys/<uuid:pk>/rotate/", api_keys.RotationView.as_view(), name="api_key_rotate"),
    path("usage/", api_usage.UsageView.as_view(), name="api_usage"),
]
