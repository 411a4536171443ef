"""Who may what at which address: one row a route, in it what each method takes.

A method that is not named is one that the address does not know (405). See ``needs`` for the words that
are no permissions. A new route goes here first; ``test_table.py`` says so if it does not.
"""

from __future__ import annotations

from accounts.access import (
    AUDIT_READ,
    DELETE,
    KEYS_READ,
    KEYS_WRITE,
    MEMBERS_READ,
    MEMBERS_WRITE,
    OWN,
    READ,
    SETTINGS,
    SETTINGS_READ,
    USAGE_READ,
    WEBHOOKS_READ,
    WEBHOOKS_WRITE,
    WRITE,
)
from tests.isolation.needs import (
    FAILED,
    LINK,
    MEMBER,
    NOWHERE,
    OFFERED,
    OWN_FACTOR,
    OWN_SESSION,
    PUBLIC,
    READ_ONLY,
    SIGNED_IN,
    STAFF,
    STAFF_DOOR,
    STAFF_NOWHERE,
    Row,
    ask,
    every,
    form,
    post,
    read,
)

ORGANISATION: dict[str, Row] = {  # below /o/<slug:organisation>/
    "": read(READ),
    "activity.csv": read(AUDIT_READ),
    "activity/": read(AUDIT_READ),
    "batches/": read(READ) | post(WRITE),
    "batches/<uuid:pk>/": read(READ),
    "batches/<uuid:pk>/cancel/": ask((READ, WRITE)),
    "batches/<uuid:pk>/results.csv": read(READ),
    "batches/<uuid:pk>/results.jsonl": read(READ),
    "detections/": post(WRITE),
    "detections/<uuid:pk>/": read(READ),
    "detections/<uuid:pk>/delete/": ask((READ, DELETE)),
    "detections/<uuid:pk>/explain/": post(WRITE),
    "detections/<uuid:pk>/files/<str:kind>/": read(READ),
    "detections/<uuid:pk>/restore/": post(DELETE),
    "detections/<uuid:pk>/retry/": post(WRITE),
    "history/": read(READ),
    "trash/": read(READ),
    "trash/empty/": read((READ, DELETE)) | post(DELETE),
    "keys/": read(KEYS_READ),
    "keys/new/": ask(KEYS_WRITE),
    "keys/<uuid:pk>/": ask((KEYS_READ, KEYS_WRITE)),
    "keys/<uuid:pk>/revoke/": ask((KEYS_READ, KEYS_WRITE)),
    "keys/<uuid:pk>/rotate/": ask((KEYS_READ, KEYS_WRITE)),
    "logo/": read(SETTINGS_READ),
    "look-through/": post(MEMBER),
    "members/": read(MEMBERS_READ),
    "members/invite/": post(MEMBERS_WRITE),
    "members/leave/": ask(MEMBER),
    "members/<int:pk>/ownership/": ask((MEMBERS_READ, MEMBERS_WRITE, OWN)),
    "members/<int:pk>/remove/": ask((MEMBERS_READ, MEMBERS_WRITE)),
    "members/<int:pk>/role/": ask((MEMBERS_READ, MEMBERS_WRITE)),
    "members/invitations/<uuid:pk>/resend/": post((MEMBERS_READ, MEMBERS_WRITE)),
    "members/invitations/<uuid:pk>/revoke/": ask((MEMBERS_READ, MEMBERS_WRITE)),
    "settings/": read(SETTINGS_READ) | post(SETTINGS),
    "settings/answers/": read(SETTINGS_READ) | post(SETTINGS),
    "settings/domains/": post((SETTINGS_READ, SETTINGS)),
    "settings/domains/<int:pk>/remove/": ask(SETTINGS),
    "settings/logo/": post(SETTINGS),
    "settings/logo/remove/": post(SETTINGS),
    "settings/security/": read(SETTINGS_READ) | post(SETTINGS),
    "usage/": read(USAGE_READ),
    "webhooks/": read(WEBHOOKS_READ),
    "webhooks/new/": read(WEBHOOKS_WRITE) | post((READ, WEBHOOKS_WRITE)),  # told of images
    "webhooks/<uuid:pk>/": read(WEBHOOKS_READ),
    "webhooks/<uuid:pk>/delete/": ask((WEBHOOKS_READ, WEBHOOKS_WRITE)),
    "webhooks/<uuid:pk>/deliveries/<int:number>/": read(WEBHOOKS_READ),
    "webhooks/<uuid:pk>/deliveries/<int:number>/replay/": post(WEBHOOKS_WRITE),
    "webhooks/<uuid:pk>/edit/": read((WEBHOOKS_READ, WEBHOOKS_WRITE))
    | post((READ, WEBHOOKS_READ, WEBHOOKS_WRITE)),
    "webhooks/<uuid:pk>/rotate/": ask((WEBHOOKS_READ, WEBHOOKS_WRITE)),
    "webhooks/<uuid:pk>/switch/": ask((WEBHOOKS_READ, WEBHOOKS_WRITE)),
    "webhooks/<uuid:pk>/test/": post(WEBHOOKS_WRITE),
}

API: dict[str, Row] = {  # below /api/v1/, by key alone
    "activity/": read(AUDIT_READ),
    "batches/": read(READ) | post((READ, WRITE)),
    "batches/<uuid:pk>/": read(READ),
    "batches/<uuid:pk>/cancel/": post((READ, WRITE)),
    "batches/<uuid:pk>/results.csv": read(READ),
    "batches/<uuid:pk>/results.jsonl": read(READ),
    "detections/": read(READ) | post((READ, WRITE)),
    "detections/<uuid:pk>/": read(READ) | {"DELETE": DELETE},
    "detections/<uuid:pk>/events/": read(READ),
    "detections/<uuid:pk>/explanations/<slug:stage>/": post((READ, WRITE)),
    "detections/<uuid:pk>/files/<slug:kind>/": read(READ),
    "detections/<uuid:pk>/rerun/": post((READ, WRITE)),
    "detections/<uuid:pk>/restore/": post((READ, DELETE)),
    "events/": read(READ),
    "invitations/": read(MEMBERS_READ) | post((MEMBERS_READ, MEMBERS_WRITE)),
    "invitations/<uuid:pk>/": read(MEMBERS_READ) | {"DELETE": (MEMBERS_READ, MEMBERS_WRITE)},
    "invitations/<uuid:pk>/resend/": post((MEMBERS_READ, MEMBERS_WRITE)),
    "keys/": read(KEYS_READ) | post(KEYS_WRITE),
    "keys/<uuid:pk>/": read(KEYS_READ) | {"PATCH": KEYS_WRITE, "DELETE": KEYS_WRITE},
    "keys/<uuid:pk>/rotate/": post(KEYS_WRITE),
    "members/": read(MEMBERS_READ),
    "members/<int:pk>/": read(MEMBERS_READ)
    | {"PATCH": (MEMBERS_READ, MEMBERS_WRITE), "DELETE": (MEMBERS_READ, MEMBERS_WRITE)},
    "models/": read(READ),
    "models/<slug:name>/": read(READ),
    "organisation/": read(SETTINGS_READ) | {"PATCH": SETTINGS},
    "usage/": read(USAGE_READ),
    "webhooks/": read(WEBHOOKS_READ) | post((READ, WEBHOOKS_WRITE)),
    "webhooks/<uuid:pk>/": read(WEBHOOKS_READ) | {"PATCH": WEBHOOKS_WRITE, "DELETE": WEBHOOKS_WRITE},
    "webhooks/<uuid:pk>/deliveries/": read(WEBHOOKS_READ),
    "webhooks/<uuid:pk>/deliveries/<int:delivery>/": read(WEBHOOKS_READ),
    "webhooks/<uuid:pk>/deliveries/<int:delivery>/replay/": post(WEBHOOKS_WRITE),
    "webhooks/<uuid:pk>/rotate/": post(WEBHOOKS_WRITE),
    "webhooks/<uuid:pk>/test/": post(WEBHOOKS_WRITE),
}

SITE: dict[str, Row] = {
    "": read(PUBLIC),
    "api/docs/": read(PUBLIC),
    "api/problems/<slug:slug>/": read(PUBLIC),
    "api/schema/": read(PUBLIC),
    "api/(?P<rest>.*)": every(NOWHERE),
    "health/": read(PUBLIC),
    "invitations/<str:token>/": ask(LINK),
    "join/<slug:slug>/": ask(OFFERED),
    "models/": read(SIGNED_IN),
    "models/<slug:name>/": read(SIGNED_IN),
    "models/<slug:name>/<slug:picture>.png": read(SIGNED_IN),
    "organisations/new/": ask(SIGNED_IN),
}

ACCOUNTS: dict[str, Row] = {  # below /accounts/: one's own account, by allauth for the most part
    "2fa/": read(SIGNED_IN),
    "2fa/authenticate/": ask(OWN_SESSION),
    "2fa/reauthenticate/": form(SIGNED_IN),
    "2fa/recovery-codes/": read(OWN_FACTOR),
    "2fa/recovery-codes/download/": read(OWN_FACTOR),
    "2fa/recovery-codes/generate/": form(SIGNED_IN),
    "2fa/totp/activate/": form(SIGNED_IN),
    "2fa/totp/deactivate/": form(OWN_FACTOR),
    "2fa/webauthn/": read(SIGNED_IN),
    "2fa/webauthn/add/": form(SIGNED_IN),
    "2fa/webauthn/keys/<int:pk>/edit/": form(OWN_FACTOR),
    "2fa/webauthn/keys/<int:pk>/remove/": ask(OWN_FACTOR) | {"DELETE": OWN_FACTOR},
    "2fa/webauthn/login/": form(OWN_SESSION),
    "2fa/webauthn/reauthenticate/": form(SIGNED_IN),
    "3rdparty/": form(SIGNED_IN),
    "3rdparty/login/cancelled/": read(PUBLIC),
    "3rdparty/login/error/": read(FAILED),
    "3rdparty/signup/": form(OWN_SESSION),
    "confirm-email/": read(PUBLIC),
    "confirm-email/(?P<key>[-:\\w]+)/": read(PUBLIC) | post(NOWHERE),  # with a key that is none
    "email/": form(SIGNED_IN),
    "inactive/": read(PUBLIC),
    "login/": form(PUBLIC),
    "login/code/confirm/": form(OWN_SESSION),
    "logout/": ask(OWN_SESSION),
    "oidc/(?P<provider_id>[^/]+)/login/": every(NOWHERE),
    "oidc/(?P<provider_id>[^/]+)/login/callback/": every(NOWHERE),
    "oidc/<slug:provider_id>/login/": every(NOWHERE),  # no provider is set up in these tests
    "oidc/<slug:provider_id>/login/callback/": every(NOWHERE),
    "password/change/": form(SIGNED_IN),
    "password/reset/": form(PUBLIC),
    "password/reset/done/": read(PUBLIC),
    "password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/": form(PUBLIC),
    "password/reset/key/done/": read(PUBLIC),
    "password/set/": form(SIGNED_IN),
    "profile/": ask(SIGNED_IN),
    "reauthenticate/": form(SIGNED_IN),
    "sessions/": form(SIGNED_IN),
    "signup/": form(PUBLIC),
    "social/connections/": every(PUBLIC),  # old addresses of allauth's, which lead to the new ones
    "social/login/cancelled/": every(PUBLIC),
    "social/login/error/": every(PUBLIC),
    "social/signup/": every(PUBLIC),
}

ADMIN: dict[str, Row] = {  # below /admin/
    "": ask(STAFF),
    "(?P<app_label>account|socialaccount|accounts|mfa|auth|detection|history)/": ask(STAFF),
    "(?P<url>.*)": ask(STAFF_NOWHERE),
    "accounts/user/<id>/password/": ask(STAFF),
    "autocomplete/": read(STAFF),
    "jsi18n/": read(STAFF),
    "login/": ask(STAFF_DOOR),
    "logout/": post(OWN_SESSION),
    "password_change/": ask(STAFF),
    "password_change/done/": read(STAFF),
    "r/<path:content_type_id>/<path:object_id>/": ask(STAFF_NOWHERE),
    "search/": ask(STAFF),
}
ADMIN_CHANGED = {  # what those who run the platform add, change and delete
    "account/emailaddress", "accounts/membership", "accounts/organisation", "accounts/signuprule",
    "accounts/user", "auth/group",
    "socialaccount/socialaccount",
}  # fmt: skip
ADMIN_READ = {"detection/artefact", "detection/detection", "detection/stagerun", "history/auditevent"}
ADMIN_MODEL: dict[str, Row] = {  # below each of them
    "": ask(STAFF),
    "<path:object_id>/": ask(STAFF),
    "<path:object_id>/change/": ask(STAFF),
    "<path:object_id>/delete/": ask(STAFF),
    "<path:object_id>/history/": ask(STAFF),
    "add/": ask(STAFF),
}
ADMIN_RECORD: dict[str, Row] = ADMIN_MODEL | {
    "<path:object_id>/change/": read(STAFF) | post(READ_ONLY),
    "<path:object_id>/delete/": ask(READ_ONLY),
    "add/": ask(READ_ONLY),
}

ADMIN_TAKEN: dict[str, Row] = ADMIN_MODEL | {  # mfa/authenticator: deleted at most
    "<path:object_id>/change/": read(STAFF) | post(READ_ONLY),
    "add/": ask(READ_ONLY),
}

SOCKETS: dict[str, str] = {
    "ws/o/<slug:organisation>/detections/": READ,
    "ws/o/<slug:organisation>/detections/<uuid:pk>/": READ,
    "": NOWHERE,
}


def _below(prefix: str, rows: dict[str, Row]) -> dict[str, Row]:
    return {prefix + address: row for address, row in rows.items()}


GROUPS: dict[str, dict[str, Row]] = {
    "pages": _below("o/<slug:organisation>/", ORGANISATION),
    "api": _below("api/v1/", API),
    "site": SITE | _below("accounts/", ACCOUNTS),
    "admin": _below("admin/", ADMIN)
    | {k: v for model in ADMIN_CHANGED for k, v in _below(f"admin/{model}/", ADMIN_MODEL).items()}
    | _below("admin/mfa/authenticator/", ADMIN_TAKEN)
    | {k: v for model in ADMIN_READ for k, v in _below(f"admin/{model}/", ADMIN_RECORD).items()},
}
TABLE: dict[str, Row] = {address: row for rows in GROUPS.values() for address, row in rows.items()}
