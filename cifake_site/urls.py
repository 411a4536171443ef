"""All addresses of the site. Those under ``/o/<organisation>/`` pass the gate in accounts.access."""

from django.contrib import admin
from django.urls import include, path, re_path

from accounts import entry_pages, sso
from cifake_site import openapi, problems, views

urlpatterns = [
    path("", views.home, name="home"),
    path("health/", views.health, name="health"),
    # In place of allauth's own: see each for why.
    path("accounts/oidc/<slug:provider_id>/login/", sso.sign_in),
    path("accounts/oidc/<slug:provider_id>/login/callback/", sso.callback),
    path("accounts/signup/", entry_pages.SignUp.as_view(), name="account_signup"),
    re_path(
        r"^accounts/confirm-email/(?P<key>[-:\w]+)/$",
        entry_pages.ConfirmEmail.as_view(),
        name="account_confirm_email",
    ),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("cifake_site.api_urls")),
    path("api/problems/<slug:slug>/", problems.explain, name="api_problem"),
    path("api/schema/", openapi.schema, name="api_schema"),
    path("api/docs/", openapi.docs, name="api_docs"),
    re_path(r"^api/(?P<rest>.*)$", problems.unknown),
    path("", include("accounts.urls")),
    path("", include("detection.urls")),
    path("", include("history.urls")),
]

handler400, handler500 = "cifake_site.problems.bad_request", "cifake_site.problems.server_error"
