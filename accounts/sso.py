"""Single sign-on by OpenID Connect (Core 1.0), stricter than allauth's own.

allauth trusts a token that came straight from the provider without looking at its signature.
Here every token's signature, issuer, audience and lifetime are checked, and the user data must
be about the person in the token (section 5.3.2).
"""

from __future__ import annotations

from typing import Any

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render

# Of a key pair, all of them: with a shared secret, whoever knows the client could sign.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
CLOCKS_MAY_DIFFER_S = 60


class CheckingAdapter(OpenIDConnectOAuth2Adapter):
    """From the provider's answer to a sign-in, or OAuth2Error."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says of itself; it must call itself what we call it (Discovery 1.0, 4.3)."""
        found = super().openid_config
        asked = self.get_provider().app.settings["issuer"]
        if str(found.get("issuer", "")).rstrip("/") != asked:
            raise OAuth2Error(f"The provider calls itself {found.get('issuer')!r}, not {asked!r}.")
        return found

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        claims = self._checked(app, kwargs["response"].get("id_token"))
        about = self._fetch_user_info(token.token) if "userinfo_endpoint" in self.openid_config else {}
        if about and about.get("sub") != claims["sub"]:
            raise OAuth2Error("The user data are about somebody else than the token.")
        about = {**claims, **about}
        about["email_verified"] = is_true(about.get("email_verified"))
        return self.get_provider().sociallogin_from_response(request, {"userinfo": about, "id_token": claims})

    def _checked(self, app: SocialApp, token: str | None) -> dict[str, Any]:
        """The token's claims. Raises OAuth2Error for anything but a token that the provider signed for us."""
        try:
            return jwt.decode(
                token or "",
                self._key_of(token or ""),
                algorithms=ALGORITHMS,
                issuer=self.openid_config["issuer"],
                audience=app.client_id,
                leeway=CLOCKS_MAY_DIFFER_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise OAuth2Error("The provider's token does not hold.") from error

    def _key_of(self, token: str) -> jwt.PyJWK:
        """The one that the token names; a provider with a single key need not name it."""
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(answer.json()).keys
        named = jwt.get_unverified_header(token).get("kid")
        fitting = [key for key in keys if named is None or key.key_id == named]
        if len(fitting) != 1:
            raise jwt.InvalidKeyError("No key, or more than one, fits the token.")
        return fitting[0]


def is_true(claim: object) -> bool:
    """Some providers write booleans as text, where even "false" would count as true."""
    return claim is True or claim == "true"


def sign_in(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Asks first; then on to the provider, by a page: the policy lets forms lead to ourselves only."""
    response = _answer(OAuth2LoginView, request, provider_id)
    if response.status_code == 302:
        return render(request, "socialaccount/login_redirect.html", {"redirect_to": response["Location"]})
    return response


def callback(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    return _answer(OAuth2CallbackView, request, provider_id)


def _answer(
    view: type[OAuth2LoginView | OAuth2CallbackView], request: HttpRequest, provider_id: str
) -> HttpResponseBase:
    """allauth's view with our adapter; a provider that cannot be reached ends in a sentence."""
    adapter = CheckingAdapter(request, provider_id)
    try:
        if request.method == "POST" or view is OAuth2CallbackView:
            _ = adapter.openid_config  # nobody is sent to, or comes from, a provider that is not the one
        return view.adapter_view(adapter)(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except (requests.RequestException, OAuth2Error, ValueError, KeyError) as error:
        return render_authentication_error(request, adapter.get_provider(), exception=error)
