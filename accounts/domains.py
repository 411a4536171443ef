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
from accounts.signals import happened

JOINERS = (Role.MEMBER, Role.AUDITOR)  # nobody becomes more without somebody deciding so
# Where anybody gets an address.
PUBLIC = frozenset(
    """
    126.com 139.com 163.com aim.com aol.com att.net bluewin.ch comcast.net duck.com email.com fastmail.com
    fastmail.fm freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.co.uk
    hotmail.com hotmail.de hotmail.fr icloud.com laposte.net libero.it live.com mac.com mail.com mail.de
    mail.ru me.com msn.com naver.com orange.fr outlook.com outlook.de pm.me posteo.de posteo.net proton.me
    protonmail.com qq.com rediffmail.com seznam.cz t-online.de tuta.com tutanota.com verizon.net web.de
    wp.pl yahoo.co.jp yahoo.co.uk yahoo.com yahoo.de yahoo.fr yandex.com yandex.ru ymail.com zoho.com
    """.split()  # noqa: SIM905 - a list of ninety strings is not read
)


def own_domains(user: User | AnonymousUser | None) -> set[str]:
    """The domains of a person's confirmed addresses, public mail providers left out."""
    if user is None or not user.is_authenticated:
        return set()
    addresses = EmailAddress.objects.filter(user_id=user.pk, verified=True).values_list("email", flat=True)
    return {address.rpartition("@")[2].lower() for address in addresses} - PUBLIC


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
    domain = domain.strip().lower()
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
        Membership.objects.create(organisation=organisation, user=user, role=offered.role)
        happened.send(
            sender=Membership,
            principal=Principal(user, organisation, offered.role),
            event="member.joined",
            subject=user,
            details={"email": user.email, "role": offered.role, "domain": offered.domain},
        )
    return organisation


def _require_own(principal: Principal, domain: str) -> None:
    if domain in PUBLIC:
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
