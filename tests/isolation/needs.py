"""What a row of the table may say, beside the permissions of ``accounts.access``."""

from __future__ import annotations

PUBLIC = "everybody"
LINK = "whoever has the link, which names the organisation"
SIGNED_IN = "whoever is signed in, for what is their own"
FAILED = "nobody: it says, by 401, that signing in at a provider has failed"
OWN_FACTOR = "whoever has a second factor or this passkey of theirs: nobody in the matrix"
OWN_SESSION = "a session that is on its way: the others are sent to where it begins, or told that it is none"
MEMBER = "every member of the organisation, whatever their role"
OFFERED = "whoever is offered to join: none of those in the matrix"
STAFF = "whoever runs the platform"
STAFF_DOOR = "the same, but with its own answer to people who are none"
READ_ONLY = "nobody: those who run the platform read this record, and are told that they may not change it"
STAFF_NOWHERE = "nobody: those who run the platform find nothing here, the others are sent to sign in"
NOWHERE = "nobody: there is nothing at this address"

READS = ("GET", "HEAD")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

Need = str | tuple[str, ...]  # several permissions: all of them
Row = dict[str, Need]


def read(need: Need) -> Row:
    return dict.fromkeys(READS, need)


def post(need: Need) -> Row:
    return {"POST": need}


def ask(need: Need) -> Row:
    """A page that asks first, and then does it: the one takes what the other does."""
    return read(need) | post(need)


def form(need: Need) -> Row:
    """allauth's forms, which take PUT for POST."""
    return ask(need) | {"PUT": need}


def every(need: Need) -> Row:
    return dict.fromkeys(METHODS, need)
