"""Pictures signed on the spot: an own authority, its signers, and C2PA manifests of any kind."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from tests import hostile

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
NOTHING = b"no certificate is put in another's place"
Key = ec.EllipticCurvePrivateKey


class Authority:
    """A certificate authority, a root or one below another, and signers under it."""

    def __init__(self, name: str = "Test Root", above: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        start, end = (datetime.now(UTC) + timedelta(days=days) for days in (-4000, 4000))
        basic = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = (
            _builder(
                self.name,
                (above or self).name,
                self.key,
                start,
                end,
            )
            .add_extension(basic, critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign((above or self).key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return _pem(self.certificate)

    def issue(
        self,
        name: str,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        key: Key | None = None,
        ocsp: str = "http://127.0.0.1:9/",
    ) -> tuple[str, Key]:
        """A signer's chain in PEM and its key; valid for the next year if not said otherwise."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        start, end = start or now - timedelta(days=1), end or now + timedelta(days=365)
        mine = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            _builder(_name(name), self.name, key, start, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True)
            .add_extension(_asked_at(ocsp), critical=False)
            .add_extension(mine, critical=False)
            .add_extension(theirs, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return _pem(certificate) + self.pem, key


def signed(
    authority: Authority,
    *,
    source_type: str | None = "trainedAlgorithmicMedia",
    action: str = "c2pa.created",
    generator: str = "Picture Maker",
    data: bytes | None = None,
    mime: str = "image/jpeg",
    signer: tuple[str, Key] | None = None,
    ingredient: bytes | None = None,
    ingredient_mime: str | None = None,
    relation: str = "parentOf",
    remote: str | None = None,
    embed: bool = True,
    more: tuple[dict[str, Any], ...] = (),
    described: tuple[dict[str, Any], ...] = (),
    heard: list[tuple[bytes, bytes]] | None = None,
) -> bytes:
    """A picture with a manifest that names an action of a source type, and perhaps its ingredient.

    ``more`` are further actions, ``described`` further assertions.
    ``heard`` takes what was signed and the signature, for those who mean to sign something else.
    """
    import c2pa

    made: dict[str, Any] = {"action": action, "softwareAgent": generator}
    if source_type:
        made["digitalSourceType"] = IPTC + source_type
    if ingredient:
        made["parameters"] = {"ingredientIds": ["parent"]}
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [made, *more]}}
    manifest = {
        "claim_generator_info": [{"name": generator, "version": "1.0"}],
        "assertions": [actions, *described],
    }
    settings = {
        "verify": {"verify_after_sign": False, "verify_trust": False},
        "builder": {
            "thumbnail": {"enabled": False},
            "actions": {"auto_created_action": {"enabled": False}, "auto_opened_action": {"enabled": False}},
        },
    }
    builder = c2pa.Builder(manifest, context=c2pa.Context.from_dict(settings))
    if ingredient:
        entry = {"title": "before.jpg", "relationship": relation, "instance_id": "parent"}
        builder.add_ingredient(json.dumps(entry), ingredient_mime or mime, io.BytesIO(ingredient))
    if remote:
        builder.set_remote_url(remote)
    if not embed:
        builder.set_no_embed()
    chain, key = signer or authority.issue("Picture Maker")
    stand_in, before, after = _stand_in(authority, chain, key)

    def sign(message: bytes) -> bytes:
        made = sign_with(key, message.replace(before, after))
        if heard is not None:
            heard.append((message, made))
        return made

    out = io.BytesIO()
    hand = c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, stand_in, None)
    builder.sign(hand, mime, io.BytesIO(data or hostile.jpeg()), out)
    return out.getvalue().replace(before, after)


def _stand_in(authority: Authority, chain: str, key: Key) -> tuple[str, bytes, bytes]:
    """A chain that is valid today in place of the one asked for, and both certificates in DER, equally long.

    The library signs with no expired certificate: it is put in its place in what is signed and in the file.
    """
    wanted = x509.load_pem_x509_certificates(chain.encode())[0]
    if wanted.not_valid_before_utc <= datetime.now(UTC) <= wanted.not_valid_after_utc:
        return chain, NOTHING, NOTHING
    after = wanted.public_bytes(serialization.Encoding.DER)
    name = wanted.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    while True:  # an ECDSA signature has 70 to 72 bytes
        other = authority.issue(str(name), key=key, ocsp=_ocsp(wanted))[0]
        before = x509.load_pem_x509_certificate(other.encode()).public_bytes(serialization.Encoding.DER)
        if len(before) == len(after):
            return other, before, after


def _ocsp(certificate: x509.Certificate) -> str:
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    return str(access[0].access_location.value)


def sign_with(key: Key, message: bytes) -> bytes:
    """The 64 bytes that COSE wants of an ECDSA signature (RFC 9053, 2.1)."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{common} Ltd"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _asked_at(ocsp: str) -> x509.AuthorityInformationAccess:
    place = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
    return x509.AuthorityInformationAccess([place])


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
