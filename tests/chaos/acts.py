"""What members do in these tests: sign in, and bring pictures, in code or as a browser does."""

from __future__ import annotations

import http.client
import uuid
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from tests.hostile import saved

MEMBERS = 5

MAKE_MEMBERS = f"""
import json
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from accounts.models import Membership, Organisation, User
engine = import_module(settings.SESSION_ENGINE)
organisation = Organisation.objects.create(name="Herald", slug="herald")
def cookie(number):
    user = User.objects.create_user(f"member{{number}}@example.org")
    Membership.objects.create(organisation=organisation, user=user)
    session = engine.SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key
print(json.dumps([cookie(number) for number in range({MEMBERS})]))
"""

SUBMIT = """
import json
from accounts.access import Principal
from accounts.models import Membership, Organisation, User
from detection import services
from tests.chaos.acts import picture
from tests.chaos.stages import POISON
from tests.hostile import png
organisation = Organisation.objects.create(name="Herald", slug="herald")
principal = Principal(User.objects.create_user("member@example.org"), organisation, "member")
for number in range(%d):
    services.submit(principal=principal, data=picture(number), name=f"{number}.jpg")
for number in range(%d):
    services.submit(principal=principal, data=png(*POISON), name="poison.png")
print(json.dumps(True))
"""


def picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), np.uint8)
    return saved(Image.fromarray(pixels), "JPEG", quality=90)


def upload(base: str, cookie: str, numbers: range) -> list[int]:
    """One member's browser: a file a request, over one connection; gives the answers' statuses."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=120)
    return [post(connection, cookie, number) for number in numbers]


def post(connection: http.client.HTTPConnection, cookie: str, number: int, data: bytes = b"") -> int:
    boundary, token = uuid.uuid4().hex, "t" * 32
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{number}.jpg"\r\n'
    body = head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + (data or picture(number))
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Accept": "application/json",
        "Cookie": f"sessionid={cookie}; csrftoken={token}",
        "X-CSRFToken": token,
    }
    connection.request("POST", "/o/herald/detections/", body + f"\r\n--{boundary}--\r\n".encode(), headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status
