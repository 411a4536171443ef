"""Joining by domain: who has a confirmed address at the organisation's domain may come in unasked."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.http import Http404
from django.shortcuts import get_object_or_404

from accounts.access import SETTINGS, SETTINGS_READ, Principal, require_assignable, scope
from accounts.errors import Refused
from accounts.members import held
from accounts.models import JoinDomain, Membership, Organisation, Role, User
from accounts.public_mail import is_public, plain
from accounts.signals import happened

JOINERS = (Role.MEMBER, Role.AUDITOR)  # nobody becomes more without somebody deciding so


def own_domains(user: User | AnonymousUser | None) -> set[str]:
    """The domains of a person's confirmed addresses, public mail providers left out."""
    if user is None or not user.is_authenticated:
        return set()
    addresses = EmailAddress.objects.filter(user_id=user.pk, verified=True).values_list("email", flat=True)
    written = {address.rpartition("@")[2] for address in addresses}
    domains = {plain(each) for each in written if each == each.strip()}  # spaces are in no mailbox' domain
    return {each for each in domains if not is_public(each)}


def of_organisation(principal: Principal) -> list[JoinDomain]:
    """Raises PermissionDenied if the principal may not see settings."""
    return list(scope(principal, JoinDomain.objects.order_by("domain"), SETTINGS_READ))


def get(principal: Principal, pk: int) -> JoinDomain:
    """Raises Http404 for another organisation's."""
    return get_object_or_404(scope(principal, JoinDomain.objects.all(), SETTINGS), pk=pk)


def add(*, principal: Principal, domain: str, role: Role) -> JoinDomain:
    """Opens the organisation to a domain, at which the acting person has a confirmed address.

    Raises:
        PermissionDenied: the principal may not change settings, or not do itself what the role may.
        Refused: ``role``; ``domain``: a public mail provider, not one's own, or taken.
    """
    domain = plain(domain)
    with held(principal, SETTINGS) as principal:
        _require_own(principal, domain)
        if role not in JOINERS:
            raise Refused("role", "People who join by themselves become members or auditors.")
        require_assignable(principal, role)
        try:
            with transaction.atomic():
                added = JoinDomain.objects.create(
                    organisation=principal.organisation, domain=domain, role=role
                )
        except IntegrityError:
            raise Refused("domain", f"{domain} already lets people join, here or elsewhere.") from None
        _tell(principal, "organisation.domain_added", added)
    return added


def remove(*, principal: Principal, pk: int) -> None:
    """Nobody else joins by it; who has joined stays.

    Raises:
        Http404: no such domain in this organisation.
        PermissionDenied: the principal may not change settings.
    """
    with held(principal, SETTINGS) as principal:
        gone = get(principal, pk)
        _tell(principal, "organisation.domain_removed", gone)
        gone.delete()


def offers(user: User | AnonymousUser) -> list[JoinDomain]:
    """The organisations that a person may join, with the domain that lets them."""
    domains = own_domains(user)
    if not domains:
        return []
    open_to = JoinDomain.objects.filter(domain__in=domains).exclude(organisation__memberships__user=user.pk)
    return list(open_to.select_related("organisation").order_by("organisation__name", "domain"))


def offer(user: User | AnonymousUser, slug: str) -> JoinDomain:
    """Raises Http404 where nothing is offered to this person, whether or not the organisation is there."""
    for each in offers(user):
        if each.organisation.slug == slug:
            return each
    raise Http404


def join(*, user: User, slug: str) -> Organisation:
    """Makes the person a member, as the domain says at this moment.

    Raises:
        Http404: nothing is offered (any more): no confirmed address, domain taken away, member already.
    """
    with transaction.atomic():
        # As in members.held: a domain that is taken away at this moment lets nobody in afterwards.
        Organisation.objects.select_for_update(no_key=True).filter(slug=slug).first()
        offered = offer(user, slug)
        organisation = offered.organisation
        _, new = Membership.objects.get_or_create(
            organisation=organisation, user=user, defaults={"role": offered.role}
        )
        if not new:  # an invitation was accepted in this very moment
            raise Http404
        happened.send(
            sender=Membership,
            principal=Principal(user, organisation, offered.role),
            event="member.joined",
            subject=user,
            details={"email": user.email, "role": offered.role, "domain": offered.domain},
        )
    return organisation


def _require_own(principal: Principal, domain: str) -> None:
    if is_public(domain):
        raise Refused("domain", f"Anybody can get an address at {domain}, so it cannot let people in.")
    if domain not in own_domains(principal.user):
        raise Refused(
            "domain", f"You need a confirmed email address of your own at {domain or 'the domain'}."
        )


def _tell(principal: Principal, event: str, domain: JoinDomain) -> None:
    details = {"domain": domain.domain, "role": domain.role}
    happened.send(
        sender=JoinDomain,
        principal=principal,
        event=event,
        subject=principal.organisation,
        details=details,
    )
