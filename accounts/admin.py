"""People and organisations for the platform's admins."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.decorators import secure_admin_login
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import organisations, storage
from accounts.admin_base import ModelAdmin
from accounts.admin_told import (
    TellsOfItself,
    TellsOfMemberships,
    tell,
    tell_change,
    tell_of_account,
    tell_of_settings,
)
from accounts.models import Membership, Organisation, SignUpRule, User
from accounts.settings_forms import OrganisationAdminForm, SignUpRuleForm

# One door: the admin's own log-in page knows neither rate limits nor the second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.unregister(Group)
# Single sign-on is set up in the environment: an app made here would lack what accounts.sso checks.
# Tokens and sessions open accounts: nobody needs to see them.
for each in (SocialAccount, SocialApp, SocialToken, UserSession, Authenticator):
    admin.site.unregister(each)


@admin.register(SocialAccount)
class SocialAccountAdmin(ModelAdmin):
    """Without what the provider said of the person."""

    list_display = ("user", "provider", "uid")
    search_fields = ("uid", "user__email")
    fields = ("user", "provider", "uid")
    autocomplete_fields = ("user",)


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user", "organisation")


@admin.register(User)
class UserAdmin(TellsOfItself, TellsOfMemberships, DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    readonly_fields = ("date_joined", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data:
            tell_of_account(request, obj)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[type[TabularInline]]:
        """None on the add page: the own organisation is founded when the user is saved."""
        return [MembershipInline] if obj else []


@admin.register(Organisation)
class OrganisationAdmin(TellsOfMemberships, ModelAdmin):
    form = OrganisationAdminForm
    list_display = ("name", "slug", "members_count", "stored", "created_at")
    list_select_related = ("storage",)
    search_fields = ("name", "slug", "members__email")
    readonly_fields = ("stored", "created_at")
    inlines: ClassVar = [MembershipInline]

    def save_model(self, request: HttpRequest, obj: Organisation, form: ModelForm, change: bool) -> None:
        before = organisations.settings_of(Organisation.objects.get(pk=obj.pk)) if change else None
        super().save_model(request, obj, form, change)
        if before is not None:
            tell_of_settings(request, obj, before)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organisation]:
        return super().get_queryset(request).annotate(_members=Count("memberships"))

    @admin.display(description="members", ordering="_members")
    def members_count(self, organisation: Organisation) -> int:
        return organisation._members  # type: ignore[attr-defined]

    @admin.display(description="stored", ordering="storage__bytes")
    def stored(self, organisation: Organisation) -> str:
        return storage.size_words(organisation.storage.bytes if hasattr(organisation, "storage") else 0)


@admin.register(Membership)
class MembershipAdmin(TellsOfItself, ModelAdmin):
    list_display = ("user", "organisation", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "organisation")
    search_fields = ("user__email", "organisation__name", "organisation__slug")
    autocomplete_fields = ("user", "organisation")

    def save_model(self, request: HttpRequest, obj: Membership, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change:
            tell_change(request, obj, form.initial)
        else:
            tell(request, "member.added", obj)


@admin.register(Authenticator)
class AuthenticatorAdmin(ModelAdmin):
    """To take away what somebody has lost. What is in it is shown to nobody; nobody adds one for another."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    search_fields = ("user__email",)
    fields = readonly_fields = ("user", "type", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        return False


@admin.register(SignUpRule)
class SignUpRuleAdmin(ModelAdmin):
    """One row: who may make an account. Without it, as SIGN_UP in the environment says."""

    list_display = ("__str__", "domains")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not SignUpRule.objects.exists()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, form=SignUpRuleForm, **kwargs)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass
