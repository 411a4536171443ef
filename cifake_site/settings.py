"""All settings, in one file, read from the environment.

Without any variable set this is the embedded default: SQLite, an in-memory channel layer,
files on disk under ``data/``. With DATABASE_URL and REDIS_URL set it is the scaled one;
the code is the same.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any, TypeVar

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from cifake_site import openapi_settings

BASE_DIR = Path(__file__).resolve().parent.parent
N = TypeVar("N", int, float)
# Rows, images, mail and keys are nobody else's to read, whatever folder they are put into. Every process of
# the product reads these settings before it makes a file, and those that it starts inherit this.
os.umask(0o077)


def env_bool(name: str, default: bool) -> bool:
    return os.environ.get(name, str(default)).strip().lower() in {"1", "true", "yes", "on"}


def env_number(name: str, default: N) -> N:
    """Whole where the default is."""
    return number(name, os.environ.get(name, str(default)), type(default))


def number(name: str, text: str, kind: type[N]) -> N:
    """Raises ImproperlyConfigured, with a sentence, for what is none, is below 0 or has no end."""
    try:
        found = kind(text)
    except ValueError:
        found = kind(-1)
    if not 0 <= found < 2**63:
        what = "a whole number" if kind is int else "a number"
        raise ImproperlyConfigured(f"{name} has to be {what} from 0 on. It is “{text[:40]}”.")
    return found


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


DATA_DIR = Path(os.environ.get("DATA_DIR", BASE_DIR / "data")).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
# A folder that all share, like /tmp, is left alone.
if DATA_DIR.stat().st_uid == os.geteuid() and not DATA_DIR.stat().st_mode & stat.S_ISVTX:
    DATA_DIR.chmod(0o700)


def secret_key() -> str:
    """SECRET_KEY, or one made at the first start and kept where only this user reads it."""
    if key := os.environ.get("SECRET_KEY"):
        return key
    path = DATA_DIR / "secret_key"
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(get_random_secret_key())
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = secret_key()
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")  # those before: they open what was made under them
DEBUG = env_bool("DEBUG", False)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "accounts",
    "detection",
    "history",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.SessionActivityMiddleware",
    "accounts.middleware.ConflictMiddleware",
    "accounts.limits.tell_limits",
    "cifake_site.bodies.refuse_bodies",
    "cifake_site.not_allowed.explain_405",
]

ROOT_URLCONF = "cifake_site.urls"
ASGI_APPLICATION = "cifake_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["accounts.templatetags.dates"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context_processors.organisation",
            ],
        },
    }
]

# --- Storage of rows, files, messages -------------------------------------------------

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'cifake.sqlite3'}",
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # WAL lets readers go on while one writes; IMMEDIATE takes the write lock at BEGIN,
    # where waiting is possible, instead of failing in mid-transaction.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # Tests write from several threads, which a database in memory does not allow.
    DATABASES["default"]["TEST"] = {
        "NAME": str(Path(tempfile.gettempdir()) / f"cifake-test-{os.getpid()}.sqlite3")
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = os.environ.get("REDIS_URL", "")
CHANNEL_LAYERS: dict[str, Any] = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # limits are counted here: Django's 300 would drop counters
    }
}
if REDIS_URL:
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
    }

MEDIA_ROOT = DATA_DIR / "media"  # never mounted under a URL: files leave through the gate only
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of a missing one at every start
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # no collectstatic step between a clone and a running server
WHITENOISE_AUTOREFRESH = DEBUG

# --- People ---------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
# "optional": the first visitor is at work at once; set "mandatory" once mail goes out.
ACCOUNT_EMAIL_VERIFICATION = os.environ.get("EMAIL_VERIFICATION", "optional")
SIGN_UP = os.environ.get("SIGN_UP", "open")  # or "invited", "closed"; the admin can say otherwise
if SIGN_UP not in ("open", "invited", "closed"):
    sys.exit(f"SIGN_UP is open, invited or closed. It is {SIGN_UP!r}.")
SIGN_UP_DOMAINS = env_list("SIGN_UP_DOMAINS")  # with "invited": addresses at these need no invitation
if SIGN_UP_DOMAINS and ACCOUNT_EMAIL_VERIFICATION != "mandatory":
    sys.exit("SIGN_UP_DOMAINS needs EMAIL_VERIFICATION=mandatory: else anybody can claim an address there.")
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "signup": "accounts.forms.SignupForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
}
USERSESSIONS_TRACK_ACTIVITY = True
# Limits hold for each address (ip), person (user) or e-mail address (key); the rest are allauth's.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    # The key is an address together with its client (accounts.adapter), so that nobody shuts another out.
    "login_failed": "10/m/ip,5/300s/key",
    "login_failed_anywhere": "60/600s/key",  # of one address, by clients that it never signed in from
    "signup": "20/m/ip",
    "reset_password": "20/m/ip,5/m/key",
}
# Behind a proxy the client's address is the last one that the proxy itself wrote down.
ALLAUTH_TRUSTED_PROXY_COUNT = env_number("TRUSTED_PROXIES", int(env_bool("HTTPS", False)))
MFA_TOTP_ISSUER = "CIFAKE"
MFA_TOTP_TOLERANCE = 1  # one step, for phones whose clock is off (RFC 6238, 5.2)
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_FORMS = {"add_webauthn": "accounts.forms.AddPasskeyForm"}

# Single sign-on through one OpenID provider; off without OIDC_ISSUER. See docs/sign-in.md.
OIDC_ISSUER = os.environ.get("OIDC_ISSUER", "").rstrip("/")
SOCIALACCOUNT_ADAPTER = "accounts.adapter.SocialAccountAdapter"
# Who the provider says is ada@herald.example is let into that account, if the provider has verified it.
SOCIALACCOUNT_EMAIL_AUTHENTICATION = SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
if OIDC_ISSUER:
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "sso",
                "name": os.environ.get("OIDC_NAME", "your organisation’s account"),
                "client_id": os.environ.get("OIDC_CLIENT_ID", ""),
                "secret": os.environ.get("OIDC_CLIENT_SECRET", ""),
                "settings": {"server_url": OIDC_ISSUER, "issuer": OIDC_ISSUER},
            }
        ],
    }

# Mail is written to files unless a server is named, so nothing gets lost in a log.
EMAIL_HOST = os.environ.get("EMAIL_HOST", "")
EMAIL_PORT = env_number("EMAIL_PORT", 587)
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_TIMEOUT = 10  # seconds: a mail server that hangs holds the request that writes to it
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", True)
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else os.environ.get("EMAIL_BACKEND", "django.core.mail.backends.filebased.EmailBackend")
)
EMAIL_FILE_PATH = DATA_DIR / "mail"
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "cifake@localhost")

# --- Security -------------------------------------------------------------------------

HTTPS = env_bool("HTTPS", False)  # set it once a proxy with a certificate stands in front
# As in https://cifake.example.org: where links in mail and webhooks lead, whatever host a request names.
SITE_URL = os.environ.get("SITE_URL", "").rstrip("/")
if HTTPS and not SITE_URL.startswith("https://"):
    sys.exit(
        f"HTTPS=1 needs SITE_URL, as in https://cifake.example.org, for links in mail. It is {SITE_URL!r}."
    )
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/$"]  # asked from inside, where there is no certificate
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = env_number("HSTS_SECONDS", 31536000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
    "EXCLUDE_URL_PREFIXES": ["/admin/"],  # the admin theme needs inline handlers
}

# --- Connections (cifake_site.connections; docs/deploy.md) -----------------------------

MAX_CONNECTIONS = env_number("MAX_CONNECTIONS", 1000)  # of each server process
MAX_CONNECTIONS_PER_ADDRESS = env_number("MAX_CONNECTIONS_PER_ADDRESS", 300)
MAX_HEADER_BYTES = env_number("MAX_HEADER_BYTES", 32 * 1024)  # of a request, with its address
HEADER_SECONDS = env_number("HEADER_SECONDS", 15.0)  # for all headers of a request
BODY_SECONDS = env_number("BODY_SECONDS", 20.0)  # between two pieces of a request's body
BODY_BYTES_PER_SECOND = env_number("BODY_BYTES_PER_SECOND", 4096)  # at least, on average
WRITE_SECONDS = env_number("WRITE_SECONDS", 30.0)  # that an answer may wait to be taken in

# Open pages, streams and waiting requests, of each server process (detection.places).
MAX_LISTENERS = int(os.environ.get("MAX_LISTENERS", "600"))
MAX_LISTENERS_PER_ORGANISATION = int(os.environ.get("MAX_LISTENERS_PER_ORGANISATION", "200"))
MAX_LISTENERS_PER_PERSON = int(os.environ.get("MAX_LISTENERS_PER_PERSON", "30"))  # or key

# --- Intake and inference -------------------------------------------------------------

MAX_UPLOAD_BYTES = env_number("MAX_UPLOAD_BYTES", 25 * 1024 * 1024)
MAX_UPLOAD_FILES = env_number("MAX_UPLOAD_FILES", 50)
MAX_UPLOAD_REQUEST_BYTES = env_number("MAX_UPLOAD_REQUEST_BYTES", 256 * 1024 * 1024)
MAX_FORM_BYTES = 4 * 1024 * 1024  # of every other request, and of strangers': see cifake_site.bodies
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # form fields; files have their own limit
DATA_UPLOAD_MAX_NUMBER_FILES = MAX_UPLOAD_FILES
MAX_BATCH_BYTES = env_number("MAX_BATCH_BYTES", 2 * 1024**3)  # of a zip
MAX_BATCH_ENTRIES = env_number("MAX_BATCH_ENTRIES", 10000)  # images in a zip, or addresses
STORAGE_QUOTA_BYTES = env_number("STORAGE_QUOTA_BYTES", 0)  # of each organisation; 0: no limit
BATCH_THREADS = env_number("BATCH_THREADS", 2)  # that feed batches in, of each consumer
# Bodies and uploads above this are written to the folder as they come in, for a thousand may come at once.
# /tmp may be memory, and the folder is on the media's disk.
FILE_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o700, exist_ok=True)
DETECTION_MODEL = os.environ.get("DETECTION_MODEL", "efficientnet")
# Official C2PA trust lists, put there by “manage.py trust update”; without them trust is “not checked”.
C2PA_TRUST_DIR = Path(os.environ.get("C2PA_TRUST_DIR", DATA_DIR / "c2pa"))
os.environ.setdefault("YOLO_CONFIG_DIR", str(DATA_DIR / "ultralytics"))  # for mlcore.objects
STAGES_MODULE = os.environ.get("STAGES_MODULE", "detection.stages")
LEASE_SECONDS = env_number("LEASE_SECONDS", 60.0)
# Of data, in each model process: the verdict's held 1.9 GB with a picture of 50 megapixels. 0: no limit.
MODEL_MEMORY_BYTES = env_number("MODEL_MEMORY_BYTES", 6 * 1024**3)
STAGE_TIMEOUT_SECONDS = env_number("STAGE_TIMEOUT_SECONDS", 120.0)
RETRY_SECONDS = env_number("RETRY_SECONDS", 1.0)  # doubles with each attempt

# --- What is asked of other servers: images by address, webhooks (detection.remote) ---

# DANGER: lets every member, and every API key, make this server ask machines that only it can reach, on
# its own host too. For sites within a network whose members are all trusted. Metadata services of clouds
# stay out of reach.
REMOTE_ALLOW_PRIVATE = env_bool("REMOTE_ALLOW_PRIVATE", False)
REMOTE_PORTS = frozenset(
    number("REMOTE_PORTS", port, int) for port in env_list("REMOTE_PORTS")
)  # beside 80 and 443
REMOTE_SECONDS = env_number("REMOTE_SECONDS", 30.0)  # for one image, redirects included

WEBHOOK_RETRY_FACTOR = env_number("WEBHOOK_RETRY_FACTOR", 1.0)  # of detection.deliveries.PAUSES

# Secrets of API keys: a prefix by which secret scanners tell them, and no other way in.
KNOX_TOKEN_MODEL = "accounts.KeySecret"
MIGRATION_MODULES = {"knox": None}  # its own table would stand empty, and in the way of PostgreSQL's TRUNCATE
REST_KNOX = {"TOKEN_PREFIX": "cfk_", "AUTH_HEADER_PREFIX": "Bearer", "TOKEN_TTL": None}
REST_FRAMEWORK = {
    # Keys alone: a browser's session is no way into the API, so there is no CSRF to fear.
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api_defaults.Allowed"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.limits.KeyThrottle"],
    "DEFAULT_PARSER_CLASSES": ["accounts.api_defaults.JsonParser", "accounts.api_defaults.FormParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "accounts.api_base.Pages",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS: the schema tells more
    "EXCEPTION_HANDLER": "cifake_site.problems.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "cifake_site.openapi.ApiSchema",
}
SPECTACULAR_SETTINGS = openapi_settings.SETTINGS

UNFOLD = {"SITE_TITLE": "CIFAKE", "SITE_HEADER": "CIFAKE", "SITE_SUBHEADER": "Platform admin"}

USE_TZ = True
TIME_ZONE = os.environ.get("TIME_ZONE", "UTC")
LANGUAGE_CODE = "en-gb"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "cifake_site.logs.Formatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "INFO")},
}
