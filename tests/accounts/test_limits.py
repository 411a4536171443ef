"""How often, and how much: a key's minute, its month, and what is counted."""

import io
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from threading import Barrier

import pytest
from django.core.cache import caches
from django.db import DatabaseError, connection, transaction
from django.urls import path
from django.utils import timezone
from rest_framework.response import Response

from accounts import access, limits, usage
from accounts.access import principal_of_key
from accounts.api_base import ApiView
from accounts.models import ApiKey, Usage
from cifake_site import urls as site_urls
from cifake_site.problems import problem_of
from detection import services
from detection.models import Detection
from tests.hostile import png
from tests.servers import Redis

pytestmark = pytest.mark.django_db

THREADS = 50
NOON = datetime(2026, 11, 24, 12, 0, 15, tzinfo=UTC)


class Ping(ApiView):
    permissions = {"GET": access.READ}

    def get(self, request):
        return Response({})


urlpatterns = [path("api/v1/ping/", Ping.as_view()), *site_urls.urlpatterns]


@pytest.fixture
def ping(client, settings):
    """``ping(value)``: asks the API, through all of its middleware."""
    settings.ROOT_URLCONF = __name__
    return lambda value: client.get("/api/v1/ping/", headers={"Authorization": f"Bearer {value}"})


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The limits' clock stands at 15 s past the minute, and moves by ``clock["now"] += seconds``."""
    time = {"now": NOON.timestamp()}
    monkeypatch.setattr(limits, "_now", lambda: time["now"])
    return time


@pytest.fixture(autouse=True)
def _nothing_noted():
    usage._pending.clear()


def run_at_once(count: int, work):
    start = Barrier(count)

    def one(number: int):
        try:
            start.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


class TestMinute:
    @pytest.fixture(params=["memory", "redis"])
    def counted_in(self, request, settings):
        """The embedded cache, and the one of the scaled set-up."""
        if request.param == "memory":
            yield
            return
        if not shutil.which("redis-server"):
            pytest.skip("No redis-server here: apt-get install redis-server")
        redis = Redis()
        backend = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis.url}
        settings.CACHES = {"default": backend}
        yield
        redis.close()

    def test_of_many_at_once_no_more_than_the_limit_get_through(self, counted_in):
        key = ApiKey(per_minute=20)
        windows = run_at_once(THREADS, lambda _: limits.take(key))
        assert sum(window.allowed for window in windows) == 20
        assert sorted(window.used for window in windows) == list(range(1, THREADS + 1))

    def test_a_new_minute_begins_anew(self, clock):
        key = ApiKey(per_minute=1)
        assert [limits.take(key).allowed for _ in range(3)] == [True, False, False]
        assert limits.take(key).seconds == 45
        clock["now"] += 45
        assert limits.take(key) == limits.Window(1, 1, 60)

    def test_keys_do_not_share(self):
        assert all(limits.take(ApiKey(per_minute=1)).allowed for _ in range(3))

    def test_a_counter_that_the_cache_dropped_is_begun_again(self, monkeypatch):
        cache, key = caches["default"], ApiKey(per_minute=5)
        added = cache.add
        calls = []

        def drop_first(*args):
            calls.append(args)
            return added(*args) if len(calls) > 1 else True

        monkeypatch.setattr(limits.cache, "add", drop_first, raising=False)
        assert limits.take(key).used == 1


class TestAnswers:
    def test_every_answer_tells_what_is_left(self, ping, make_key):
        _, value = make_key(per_minute=2)
        response = ping(value)
        assert response.status_code == 200
        assert response["RateLimit-Policy"] == '"minute";q=2;w=60'
        assert response["RateLimit"] == '"minute";r=1;t=45'
        assert "Retry-After" not in response

    def test_over_the_limit_is_a_problem_that_says_when_to_go_on(self, ping, make_key, clock):
        _, value = make_key(per_minute=1)
        ping(value)
        refused = ping(value)
        assert (refused.status_code, refused["Retry-After"]) == (429, "45")
        assert refused["RateLimit"] == '"minute";r=0;t=45'
        assert refused.json()["type"].endswith("/rate-limited/")
        assert "45 seconds" in refused.json()["detail"]
        clock["now"] += 45
        assert ping(value).status_code == 200

    def test_a_month_with_a_quota_is_told_too(self, ping, make_key):
        key, value = make_key(per_month=10)
        usage.count_images(principal_of_key(key), 4)
        response = ping(value)
        assert response["RateLimit-Policy"] == '"minute";q=120;w=60, "month";q=10;qu="images"'
        left = re.fullmatch(r'"minute";r=119;t=45, "month";r=6;t=(\d+)', response["RateLimit"])
        assert 0 < int(left[1]) <= 31 * 86_400

    def test_what_its_scopes_refuse_ends_with_the_minute_too(self, ping, make_key):
        _, value = make_key(scopes=[access.USAGE_READ], per_minute=2)
        assert [ping(value).status_code for _ in range(4)] == [403, 403, 429, 429]

    def test_what_its_scopes_refuse_counts_and_is_told(self, ping, make_key):
        _, value = make_key(scopes=[access.USAGE_READ], per_minute=5)
        assert [ping(value)["RateLimit"][:12] for _ in range(2)] == ['"minute";r=4', '"minute";r=3']
        assert ping(value).status_code == 403

    def test_a_new_limit_holds_from_the_next_request_on(self, ping, make_key):
        _, value = make_key(per_minute=1)
        ping(value)
        ApiKey.objects.update(per_minute=3)
        assert ping(value)["RateLimit"] == '"minute";r=1;t=45'

    def test_strangers_and_people_have_none(self, ping, member_client, principal):
        assert "RateLimit" not in ping("cfk_unknown")
        assert "RateLimit" not in member_client.get(f"/o/{principal.organisation.slug}/")

    def test_requests_and_refusals_are_counted(self, ping, make_key):
        key, value = make_key(per_minute=2)
        for _ in range(3):
            ping(value)
        assert not Usage.objects.exists()
        usage.flush()
        row = Usage.objects.get()
        assert (row.key, row.day, row.requests, row.refused) == (key, usage.today(), 3, 1)


class TestMonth:
    def submit(self, key: ApiKey):
        return services.submit(principal=principal_of_key(key), data=io.BytesIO(png()), name="cat.png")

    def test_images_of_keys_and_of_people_are_counted(self, make_key, make_principal):
        principal = make_principal()
        key, _ = make_key(principal)
        self.submit(key)
        self.submit(key)
        services.submit(principal=principal, data=png(), name="cat.png")
        counts = set(Usage.objects.values_list("key", "day", "images"))
        assert counts == {(key.pk, usage.today(), 2), (None, usage.today(), 1)}

    def test_a_month_used_up_ends_in_a_sentence_before_anything_is_stored(self, make_key, settings):
        key, _ = make_key(per_month=1)
        self.submit(key)
        files = {*settings.MEDIA_ROOT.rglob("*")}
        with pytest.raises(usage.QuotaExceeded, match="1 images a month; they are used up") as refused:
            self.submit(key)
        assert 0 < refused.value.wait <= 31 * 86_400
        assert (Detection.objects.count(), {*settings.MEDIA_ROOT.rglob("*")}) == (1, files)
        problem = problem_of(refused.value)
        assert (problem.slug, problem.headers["Retry-After"]) == ("quota-exceeded", str(refused.value.wait))

    def test_what_could_not_be_stored_does_not_count(self, make_key, monkeypatch):
        def fail(*_):
            raise DatabaseError("disk full")

        key, _ = make_key(per_month=5)
        monkeypatch.setattr(services, "_insert", fail)
        with pytest.raises(DatabaseError):
            self.submit(key)
        assert usage.month_used(key) == 0

    def test_several_at_once_are_all_counted_or_none(self, make_key):
        key, _ = make_key(per_month=5)
        usage.count_images(principal_of_key(key), 3)
        with pytest.raises(usage.QuotaExceeded, match="2 are left, and this takes 3"):
            usage.count_images(principal_of_key(key), 3)
        assert usage.month_used(key) == 3

    def test_a_quota_changed_meanwhile_is_the_one_that_holds(self, make_key):
        key, _ = make_key(per_month=1)
        usage.count_images(principal_of_key(key), 1)
        ApiKey.objects.update(per_month=2)
        usage.count_images(principal_of_key(key), 1)
        ApiKey.objects.update(per_month=None)
        usage.count_images(principal_of_key(key), 1)
        assert usage.month_used(key) == 3

    @pytest.mark.parametrize(
        ("now", "used", "seconds"),
        [
            (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 4, 2),
            (datetime(2027, 1, 1, tzinfo=UTC), 1, 31 * 86_400 + 1),
            (datetime(2026, 2, 28, 12, tzinfo=UTC), 0, 43_201),
        ],
    )
    def test_months_are_those_of_the_calendar_in_utc(self, make_key, monkeypatch, now, used, seconds):
        key, _ = make_key()
        for day, images in [(date(2026, 12, 1), 3), (date(2026, 12, 31), 1), (date(2027, 1, 1), 1)]:
            if day <= now.date():
                Usage.objects.create(organisation=key.organisation, key=key, day=day, images=images)
        monkeypatch.setattr(timezone, "now", lambda: now)
        assert (usage.month_used(key), usage.month_ends_in()) == (used, seconds)

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_no_more_than_the_quota_are_counted(self, make_key):
        key, _ = make_key(per_month=7)

        def one(_: int) -> bool:
            try:
                with transaction.atomic():
                    usage.count_images(principal_of_key(key))
            except usage.QuotaExceeded:
                return False
            return True

        assert sum(run_at_once(20, one)) == usage.month_used(key) == 7


class TestFlush:
    def test_no_request_is_lost_or_counted_twice(self, make_key):
        key, _ = make_key()
        principal = principal_of_key(key)
        run_at_once(20, lambda _: [usage.count_request(principal) for _ in range(50)])
        usage.flush()
        usage.flush()
        assert Usage.objects.get().requests == 1000

    @pytest.mark.django_db(transaction=True)
    def test_writers_at_once_overwrite_nothing(self, make_key):
        """Threads stand for processes: each brings its own amount to one row that is not there yet."""
        key, _ = make_key()
        place = (key.organisation.pk, key.pk, usage.today())

        def write(number: int) -> None:
            usage._write(place, {"requests": number, "refused": 1})

        run_at_once(12, write)
        row = Usage.objects.get()
        assert (row.requests, row.refused) == (sum(range(12)), 12)

    def test_what_belongs_to_nobody_any_more_is_let_go(self, make_key):
        key, _ = make_key()
        usage.count_request(principal_of_key(key))
        key.organisation.delete()
        usage.flush()
        assert not Usage.objects.exists()

    def test_what_could_not_be_written_is_kept_for_the_next_time(self, make_key, monkeypatch):
        key, _ = make_key()
        usage.count_request(principal_of_key(key), refused=True)
        with monkeypatch.context() as broken:
            broken.setattr(usage, "_add", lambda *_: (_ for _ in ()).throw(DatabaseError("locked")))
            with pytest.raises(DatabaseError):
                usage.flush()
        usage.flush()
        row = Usage.objects.get()
        assert (row.requests, row.refused) == (1, 1)

    def test_people_are_counted_by_their_images_alone(self, principal):
        usage.count_request(principal)
        usage.flush()
        assert not Usage.objects.exists()
