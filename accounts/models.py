"""Who may: people, organisations, and who is what in which."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models, transaction
from django.utils import timezone
from knox.models import AbstractAuthToken


def random_path(instance: models.Model, filename: str) -> str:
    """A random name in one of 256 folders: nothing of the sender's name reaches the disk.

    A second level of folders would have to be made for nearly every file: a tenth of a save.
    """
    name = uuid.uuid4().hex
    return f"{name[:2]}/{name}"


class UserManager(BaseUserManager["User"]):
    """People sign in with their e-mail address; there are no user names."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """In small letters, all of it: nobody has two accounts that differ in capitals alone."""
        return (email or "").strip().lower()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        if not email:
            raise ValueError("An e-mail address is needed.")
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})


class User(AbstractUser):
    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=150, blank=True)

    belongs_elsewhere = False  # set on a new person who is about to join an organisation

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A person without an organisation could not work anywhere, so both come together.

        Here, because every way of making a user passes: sign-up, createsuperuser, the admin.
        """
        from accounts import services  # services need the models of this file

        new = self._state.adding
        self.email = UserManager.normalize_email(self.email)
        with transaction.atomic():
            super().save(*args, **kwargs)
            if new and not self.belongs_elsewhere:
                services.found_own_organisation(user=self)

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return str(self)


class ErrorRate(models.TextChoices):
    """How many of the model's answers may be wrong; the values are the keys of a card's operating points."""

    STRICT = "0.005"
    USUAL = "0.01"
    LOOSE = "0.02"


class Organisation(models.Model):
    """The owner of every record. ``slug`` is its place in URLs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    error_rate = models.CharField(max_length=6, choices=ErrorRate, default=ErrorRate.USUAL)
    logo = models.FileField(upload_to=random_path, blank=True)
    time_zone = models.CharField(max_length=60, default="UTC")
    # Days after which they go; None keeps them. Files may go before their records.
    keep_files_days = models.PositiveIntegerField(null=True, blank=True)
    keep_records_days = models.PositiveIntegerField(null=True, blank=True)
    require_mfa = models.BooleanField(default=False)
    # Bytes that it may store; None: as STORAGE_QUOTA_BYTES says, 0: no limit. See accounts.storage.
    storage_quota_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="organisations")

    def __str__(self) -> str:
        return self.name


class StorageUse(models.Model):
    """The bytes of all files that an organisation has stored, the trash included; without a row, none.

    A row of its own: an organisation that is saved whole, as in the admin, does not put an old number back.
    """

    organisation = models.OneToOneField(
        Organisation, models.CASCADE, primary_key=True, related_name="storage"
    )
    bytes = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.bytes} bytes of {self.organisation}"


class Role(models.TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    AUDITOR = "auditor"


class Membership(models.Model):
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    # This person has taken the account over, and must look through who else is in: see accounts.confirming.
    needs_look = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "user"], name="one_membership_each"),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.organisation}"


class Invitation(models.Model):
    """An e-mail with a link that makes its reader a member, once. Only the link's hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    token_hash = models.CharField(max_length=64, unique=True)  # SHA-256; a resend replaces it
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    by_key = models.ForeignKey("ApiKey", models.SET_NULL, null=True, related_name="+")
    # Who saw the value that the key came in by: as much as if they had sent it themselves.
    behind = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="one_open_invitation_each",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.organisation}"


class JoinDomain(models.Model):
    """Who has a confirmed e-mail address at this domain may join by themselves."""

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="join_domains")
    domain = models.CharField(max_length=253, unique=True)  # in small letters
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.domain


class ApiKey(models.Model):  # type: ignore[django-manager-missing]  # knox has no types
    """A program that acts for an organisation, as itself: the record names it, not its maker.

    Its secrets are rows of their own, so that an old one can go on working while programs change
    to the new one. A revoked key stays, for the record's sake.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    scopes = models.JSONField(default=list)  # permissions of accounts.access
    addresses = models.JSONField(default=list)  # networks that may use it, as in 192.0.2.0/24; none: all
    per_minute = models.PositiveIntegerField(default=120)  # requests
    per_month = models.PositiveIntegerField(null=True, blank=True)  # images; None: no limit
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    # The key that made it: what this one uses counts against the limits of that one, too.
    made_by_key = models.ForeignKey("self", models.SET_NULL, null=True, related_name="made")
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class KeySecret(AbstractAuthToken):
    """One secret of a key: hashed, with the prefix by which people tell it (``token_key``)."""

    objects: ClassVar[models.Manager[KeySecret]] = models.Manager()  # knox' own asks for a user

    user = None
    key = models.ForeignKey(ApiKey, models.CASCADE, related_name="secrets")
    # Who saw it, for it is never worth more than they are: it rests while they are no member, and
    # goes with their account. None: made by whoever runs the machine.
    made_by = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")

    def __str__(self) -> str:
        return f"{self.token_key}… of {self.key}"


class SignUpRule(models.Model):
    """Who may make an account, in place of what the environment says: one row at most."""

    class Mode(models.TextChoices):
        OPEN = "open", "Open: anybody"
        INVITED = "invited", "Invited people, and addresses at the domains below"
        CLOSED = "closed", "Closed: nobody"

    mode = models.CharField(
        max_length=10, choices=Mode, blank=True, help_text="Empty: as SIGN_UP in the environment says."
    )
    domains = models.TextField(blank=True, help_text="One a line, as in herald.example.")

    def __str__(self) -> str:
        return self.get_mode_display() or "As the environment says"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)


class Usage(models.Model):
    """What was used on one day (UTC): by a key, or by people together (``key`` None)."""

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="usage")
    key = models.ForeignKey(ApiKey, models.CASCADE, null=True, related_name="usage")
    day = models.DateField()
    requests = models.PositiveIntegerField(default=0)
    images = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)  # over a limit

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "day"], name="one_usage_a_key_and_day"),
            models.UniqueConstraint(
                fields=["organisation", "day"], condition=models.Q(key=None), name="one_usage_of_people_a_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organisation} on {self.day}"
