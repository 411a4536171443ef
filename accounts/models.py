"""Who may: people, organisations, and who is what in which."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models, transaction


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
            if new:
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
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="organisations")

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    AUDITOR = "auditor"


class Membership(models.Model):
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "user"], name="one_membership_each"),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.organisation}"
