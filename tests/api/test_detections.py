"""Detections through the API: in, out, gone; each answer for its own organisation alone."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from accounts.access import DELETE, READ, WRITE
from accounts.models import Usage
from detection import api_submission, services
from detection.models import Detection, StageRun
from detection.turns import Turns
from mlcore import registry
from tests import hostile
from tests.api.conftest import Api, problem, upload
from tests.detection_pages import factory
from tests.detection_pages.examined import examined

pytestmark = pytest.mark.django_db
HOST = "http://testserver"


class TestSubmit:
    def test_a_file_is_taken_in(self, api, principal):
        told = {"reference": "CMS-17", "metadata": json.dumps({"desk": "sport", "page": [1, 2]})}
        response = api.post("detections/", {"file": upload(), **told})
        assert response.status_code == 202, response.content
        found = response.json()
        assert response["Location"] == found["url"] == f"{HOST}/api/v1/detections/{found['id']}/"
        assert response["Retry-After"] == "1"
        assert (found["reference"], found["metadata"]) == ("CMS-17", {"desk": "sport", "page": [1, 2]})
        assert (found["status"], found["verdict"], found["name"]) == ("waiting", "", "cat.png")
        detection = Detection.objects.get()
        assert (detection.organisation, detection.submitted_by) == (principal.organisation, None)
        assert found["key"] == str(detection.submitted_key_id)
        assert found["submitted_by"] == detection.submitted_key.name
        assert Usage.objects.get(key=detection.submitted_key).images == 1

    def test_an_address_is_fetched(self, api, monkeypatch):
        asked = []

        def fetch(url):
            asked.append(url)
            return hostile.png(), "photo.png"

        monkeypatch.setattr("detection.api_submission.fetch_image", fetch)
        found = api.send(
            "detections/", {"url": "https://example.org/photo.png", "metadata": {"a": None}}
        ).json()
        assert asked == ["https://example.org/photo.png"]
        assert (found["name"], found["source_url"]) == ("photo.png", "https://example.org/photo.png")

    def test_only_so_many_are_fetched_at_once(self, api, monkeypatch):
        monkeypatch.setattr(api_submission, "FETCHING", Turns(1, 1, (9, 9), api_submission.BUSY))
        monkeypatch.setattr(api_submission, "TURN_SECONDS", 0)
        body, refused = {"url": "https://example.org/photo.png"}, []

        def fetch(url):
            if not refused:
                refused.append(api.send("detections/", body))
            return hostile.png(), "photo.png"

        monkeypatch.setattr(api_submission, "fetch_image", fetch)
        assert api.send("detections/", body).status_code == 202
        problem(refused[0], "unavailable")
        assert refused[0]["Retry-After"] == "1"
        assert api.send("detections/", body).status_code == 202  # its place is free again

    def test_nothing_is_fetched_for_a_quota_that_is_used_up(self, api_key, monkeypatch):
        asked = []
        monkeypatch.setattr(api_submission, "fetch_image", asked.append)
        api = Api(api_key(per_month=1)[1])
        assert api.post("detections/", {"file": upload()}).status_code == 202
        problem(api.send("detections/", {"url": "https://example.org/photo.png"}), "quota-exceeded")
        assert asked == []

    def test_an_address_within_the_network_is_refused(self, api):
        found = problem(api.send("detections/", {"url": "http://127.0.0.1/x.png"}), "address-refused")
        assert found["code"]
        assert not Detection.objects.exists()

    @pytest.mark.parametrize("name", hostile.BROKEN)
    def test_a_broken_file_is_refused_with_its_code(self, api, name):
        make, code = hostile.BROKEN[name]
        assert (
            problem(api.post("detections/", {"file": upload(name, make())}), "image-refused")["code"] == code
        )

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, ""),
            ([], ""),
            ("text", ""),
            (None, ""),
            ({"url": 1}, "/url"),
            ({"url": {"a": 1}}, "/url"),
            ({"url": "x" * 3000}, "/url"),
            ({"file": "cat.png"}, "/file"),
            ({"url": "http://a.b/", "reference": 7}, "/reference"),
            ({"url": "http://a.b/", "reference": "x" * 201}, "/reference"),
            ({"url": "http://a.b/", "reference": "\0"}, "/reference"),
            ({"url": "http://a.b/", "reference": "\ud800"}, "/reference"),
            ({"url": "http://a.b/", "metadata": "{}"}, "/metadata"),
            ({"url": "http://a.b/", "metadata": []}, "/metadata"),
            ({"url": "http://a.b/", "metadata": {"a": "\0"}}, "/metadata"),
            ({"url": "http://a.b/", "metadata": {"\ud800": 1}}, "/metadata"),
            ({"url": "http://a.b/", "metadata": {"a": "x" * 17_000}}, "/metadata"),
            ({"url": "http://a.b/", "metadata": {"a": {"b": {"c": {"d": {"e": {}}}}}}}, "/metadata"),
            ({"url": "http://a.b/", "colour": "red"}, "/colour"),
        ],
        ids=repr,
    )
    def test_fields_of_the_wrong_kind(self, api, body, field):
        found = problem(api.send("detections/", json.dumps(body)), "invalid")
        assert {each["field"] for each in found["errors"]} == {field}
        assert not Detection.objects.exists()

    @pytest.mark.parametrize("metadata", ["{", "1e999", '{"a": 1e999}', "[" * 20_000, '"a"'])
    def test_metadata_of_a_form_is_read_as_strictly(self, api, metadata):
        found = problem(api.post("detections/", {"file": upload(), "metadata": metadata}), "invalid")
        assert found["errors"][0]["field"] == "/metadata"

    def test_five_levels_are_enough(self, api):
        metadata = json.dumps({"a": [[[["b"]]]]})
        assert api.post("detections/", {"file": upload(), "metadata": metadata}).status_code == 202

    @pytest.mark.parametrize("wait", ["31", "-1", "soon", "nan", "1&wait=2"])
    def test_waiting_has_its_limits(self, api, wait):
        problem(api.post(f"detections/?wait={wait}", {"file": upload()}), "invalid-parameter")
        assert not Detection.objects.exists()

    def test_it_takes_the_scope(self, api_key):
        problem(Api(api_key([READ])[1]).post("detections/", {"file": upload()}), "forbidden")
        assert not Detection.objects.exists()

    def test_a_quota_that_is_used_up(self, api_key):
        api = Api(api_key(per_month=1)[1])
        assert api.post("detections/", {"file": upload()}).status_code == 202
        response = api.post("detections/", {"file": upload()})
        problem(response, "quota-exceeded")
        assert int(response["Retry-After"]) > 0


class TestRead:
    def test_the_whole_state_with_addresses_that_a_key_opens(self, api, principal):
        detection = examined(principal)
        found = api.get(f"detections/{detection.pk}/").json()
        assert found["verdict"] == "fake"
        assert found["page"] == f"{HOST}/o/{principal.organisation.slug}/detections/{detection.pk}/"
        addresses = [found["url"], found["model"]["url"], *found["files"].values()]
        addresses += [each["image"] for each in [*found["evidence"], *found["explanations"].values()]]
        for address in filter(None, addresses):
            assert address.startswith(f"{HOST}/api/v1/"), address
        pictures = [each for each in addresses if each and "/files/" in each]
        assert len(pictures) > 6
        for address in pictures:
            response = api.get(address)
            assert response.status_code == 200, address
            assert response["Content-Type"].startswith("image/")

    def test_unchanged_is_said_without_the_state(self, api, principal, django_assert_max_num_queries):
        detection = factory.done(principal)
        first = api.get(f"detections/{detection.pk}/")
        assert first["Cache-Control"] == "private, no-cache"
        assert "Authorization" in first["Vary"]
        with django_assert_max_num_queries(4):
            again = api.get(f"detections/{detection.pk}/", headers={"if-none-match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        services.bump([detection.pk])
        again = api.get(f"detections/{detection.pk}/", headers={"if-none-match": first["ETag"]})
        assert again.status_code == 200
        assert again["ETag"] != first["ETag"]

    def test_files_keep_their_types_and_their_rules(self, api, principal):
        detection = factory.done(principal, data=hostile.jpeg())
        response = api.get(f"detections/{detection.pk}/files/original/", headers={"accept": "image/*"})
        assert response.content == hostile.jpeg()
        assert "sandbox" in response["Content-Security-Policy"]
        path = f"detections/{detection.pk}/files/original/"
        assert api.get(path, headers={"if-none-match": response["ETag"]}).status_code == 304
        problem(api.get(f"detections/{detection.pk}/files/secrets/"), "not-found")

    @pytest.mark.parametrize("path", ["", "files/original/", "events/"])
    def test_another_organisations_are_not_there(self, stranger, principal, path):
        detection = factory.done(principal)
        found = problem(stranger.get(f"detections/{detection.pk}/{path}"), "not-found")
        assert found == problem(stranger.get(f"detections/{uuid4()}/{path}"), "not-found")

    @pytest.mark.parametrize("path", ["rerun/", "explanations/lime/"])
    def test_nor_can_anything_be_done_with_them(self, stranger, principal, path):
        detection = factory.done(principal)
        problem(stranger.send(f"detections/{detection.pk}/{path}", {}), "not-found")
        problem(stranger.delete(f"detections/{detection.pk}/"), "not-found")
        assert Detection.objects.count() == 1


class TestActs:
    def test_delete(self, api, principal, settings):
        detection = factory.done(principal)
        assert api.delete(f"detections/{detection.pk}/").status_code == 204
        problem(api.get(f"detections/{detection.pk}/"), "not-found")

    def test_deleting_and_restoring_anothers_takes_its_scope(self, api_key, principal):
        detection = factory.done(principal)
        one = f"detections/{detection.pk}/"
        for scopes in ([READ, WRITE], [READ]):
            problem(Api(api_key(scopes)[1]).delete(one), "forbidden")
        assert Api(api_key([DELETE])[1]).delete(one).status_code == 204
        problem(Api(api_key([READ, WRITE])[1]).post(f"{one}restore/"), "forbidden")
        problem(Api(api_key([DELETE])[1]).post(f"{one}restore/"), "forbidden")  # it answers with the result
        assert Api(api_key([READ, DELETE])[1]).post(f"{one}restore/").status_code == 200

    def test_what_a_key_sent_itself_takes_only_to_write(self, api_key):
        sender = Api(api_key([READ, WRITE])[1])
        one = f"detections/{sender.post('detections/', {'file': upload()}).json()['id']}/"
        assert sender.delete(one).status_code == 204
        assert sender.post(f"{one}restore/").json()["deleted_at"] is None

    def test_the_trash_is_listed_by_itself(self, api, api_key, principal):
        gone, kept = factory.done(principal, "gone.jpg"), factory.done(principal, "kept.jpg")
        assert api.delete(f"detections/{gone.pk}/").status_code == 204
        [found] = api.get("detections/?trash=true").json()["results"]
        assert (found["id"], found["deleted_by"]) == (str(gone.pk), "Content system")
        assert found["deleted_at"]
        [found] = api.get("detections/").json()["results"]
        assert (found["id"], found["deleted_at"], found["deleted_by"]) == (str(kept.pk), None, "")
        said = problem(api.get(f"detections/{gone.pk}/"), "not-found")
        assert "in the trash" in said["detail"]
        problem(api.get(f"detections/{gone.pk}/files/original/"), "not-found")
        assert [each["name"] for each in api.get("detections/?q=jpg").json()["results"]] == ["kept.jpg"]

    def test_the_same_bytes_again_name_the_detection_before(self, api, stranger):
        first = api.post("detections/", {"file": upload()}).json()
        second = api.post("detections/", {"file": upload()}).json()
        third = api.post("detections/", {"file": upload()}).json()
        assert [each["same_file_as"] for each in (first, second, third)] == [None, first["id"], second["id"]]
        assert stranger.post("detections/", {"file": upload()}).json()["same_file_as"] is None
        again = api.send(f"detections/{first['id']}/rerun/", {}).json()
        assert (again["rerun_of"], again["same_file_as"]) == (first["id"], None)

    def test_a_rerun_is_a_record_of_its_own(self, api, principal):
        first = factory.done(principal, "photo.jpg")
        Detection.objects.filter(pk=first.pk).update(reference="r-1", metadata={"a": 1})
        response = api.send(f"detections/{first.pk}/rerun/", {})
        assert response.status_code == 202
        found = response.json()
        assert found["id"] != str(first.pk)
        assert (found["rerun_of"], found["reference"], found["metadata"]) == (str(first.pk), "r-1", {"a": 1})
        assert (found["status"], found["facts"]["sha256"]) == ("waiting", first.sha256)
        assert Detection.objects.get(pk=first.pk).verdict == "fake"

    @pytest.mark.parametrize(("model", "lane"), [("paper_cnn", "explain"), (registry.DEFAULT, "fast")])
    def test_a_rerun_by_another_model_keeps_no_other_image_waiting(self, api, principal, model, lane):
        first = factory.done(principal)
        response = api.send(f"detections/{first.pk}/rerun/", {"model": model})
        assert (response.status_code, response.json()["model_asked"]) == (202, model)
        runs = StageRun.objects.filter(detection=response.json()["id"])
        lanes = dict(runs.values_list("stage", "lane"))
        assert (lanes["verdict"], lanes["objects"], lanes["provenance"]) == (lane, "slow", "origin")

    @pytest.mark.parametrize("model", ["nonesuch", "../paper_cnn"])
    def test_a_rerun_by_a_model_that_is_not_there(self, api, principal, model):
        first = factory.done(principal)
        told = problem(api.send(f"detections/{first.pk}/rerun/", {"model": model}), "no-such-model")
        assert "paper_cnn" in told["detail"]
        assert Detection.objects.count() == 1

    def test_explanations(self, api, principal):
        detection = factory.done(principal)
        for _ in range(2):
            response = api.post(f"detections/{detection.pk}/explanations/lime/")
            assert response.status_code == 202
            assert response.json()["explanations"]["lime"]["state"] == "queued"
        problem(api.post(f"detections/{detection.pk}/explanations/tea-leaves/"), "not-found")
