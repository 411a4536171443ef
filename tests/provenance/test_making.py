"""Only what made a picture, or describes all of it, says what it is; a step by AI makes an edit."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from mlcore.contracts import ProvenanceSummary, Says
from mlcore.provenance import actions, examine
from tests import hostile
from tests.provenance.credentials import AI, CAMERA, OURS, folder, only
from tests.provenance.signed import IPTC, signed

Json = dict[str, Any]
TRAINED, COMPOSITE = IPTC + "trainedAlgorithmicMedia", IPTC + "compositeWithTrainedAlgorithmicMedia"
CAPTURE, FILL = IPTC + "digitalCapture", {"name": "Generative Fill", "version": "2"}
STEPS = (
    "c2pa.edited", "c2pa.placed", "c2pa.drawing", "c2pa.filtered", "c2pa.resized", "c2pa.color_adjustments",
    "c2pa.cropped", "c2pa.orientation", "c2pa.published", "c2pa.converted", "c2pa.enhanced", "c2pa.unknown",
    "com.example.generative", "c2pa.edited.metadata",
)  # fmt: skip
WHERE = {
    "action": lambda term: {"digitalSourceType": term},
    "parameters": lambda term: {"parameters": {"digitalSourceType": term}},
    "vendor's parameter": lambda term: {"parameters": {"com.example.digitalSourceType": term}},
    "changes": lambda term: {"changes": [{"region": [{"type": "frame"}], "digitalSourceType": term}]},
}


def raw(
    *made: Json, templates: tuple[Json, ...] = (), label: str = "c2pa.actions.v2", more: tuple[Json, ...] = ()
) -> Json:
    data: Json = {"actions": list(made), "templates": list(templates)}
    return {"assertions": [{"label": label, "data": data}, *more]}


def created(term: str = TRAINED, **fields: Any) -> Json:
    return {"action": "c2pa.created", "digitalSourceType": term, **fields}


@pytest.mark.parametrize(("step", "where"), product(STEPS, list(WHERE)[:3]))
def test_a_step_by_ai_makes_a_photograph_an_edit(tmp_path, step, where):
    more = {"action": step, "softwareAgent": FILL, **WHERE[where](TRAINED)}
    data = signed(OURS, source_type="digitalCapture", generator="Camera One", more=(more,))
    found = only(data, folder(tmp_path, OURS))
    assert (found.says, found.trusted) == (Says.EDITED, True)
    assert "edited with generative AI" in found.detail


@pytest.mark.parametrize("name", ["c2pa.created", "c2pa.edited"])
def test_a_change_of_a_region_is_a_part(name):
    made = actions.read(raw({"action": name, **WHERE["changes"](TRAINED)}))
    assert (made.whole, [term for term, _ in made.parts]) == ((), [TRAINED])


def test_the_step_is_told_with_its_own_program(tmp_path):
    more = {"action": "c2pa.edited", "softwareAgent": FILL, "digitalSourceType": TRAINED}
    found = only(signed(OURS, source_type="digitalCapture", generator="Camera One", more=(more,)))
    assert "with generative AI, with Generative Fill" in found.detail


@pytest.mark.parametrize("step", STEPS)
def test_a_generated_picture_stays_generated_whatever_is_done_to_it(tmp_path, step):
    where = folder(tmp_path, OURS)
    for term in ({}, {"digitalSourceType": TRAINED}, {"digitalSourceType": IPTC + "humanEdits"}):
        found = only(signed(OURS, more=({"action": step, **term},)), where)
        assert (found.says, found.trusted) == (Says.AI, True)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("parent", ["camera", "nothing known", "generated"])
def test_what_was_opened_says_what_it_is(tmp_path, step, parent):
    before = {"camera": CAMERA, "nothing known": hostile.jpeg(), "generated": AI}[parent]
    more = ({"action": step, "digitalSourceType": TRAINED},)
    data = signed(OURS, source_type=None, action="c2pa.opened", ingredient=before, more=more)
    found = examine(data, None, trust_dir=folder(tmp_path, OURS))
    generated = parent == "generated"
    assert found.summary == ("declared_ai_signed" if generated else "edited")


@pytest.mark.parametrize("relation", ["componentOf", "inputTo"])
def test_a_generated_ingredient_is_not_the_picture(tmp_path, relation):
    data = signed(OURS, source_type="digitalCapture", ingredient=AI, relation=relation, action="c2pa.created")
    assert only(data, folder(tmp_path, OURS)).says == Says.EDITED


def test_a_picture_generated_from_a_photograph_is_generated(tmp_path):
    data = signed(OURS, ingredient=CAMERA, relation="inputTo")
    assert only(data, folder(tmp_path, OURS)).says == Says.AI


@pytest.mark.parametrize("action", ["c2pa.opened", *STEPS])
def test_without_a_creating_action_a_source_type_is_that_of_a_step(action):
    found = only(signed(OURS, action=action))
    assert found.says == Says.EDITED


def test_created_behind_opened_is_a_step(tmp_path):
    more = ({"action": "c2pa.created", "digitalSourceType": TRAINED},)
    data = signed(OURS, source_type=None, action="c2pa.opened", ingredient=CAMERA, more=more)
    assert only(data, folder(tmp_path, OURS)).says == Says.EDITED


@pytest.mark.parametrize(
    "label", ["c2pa.actions", "c2pa.actions.v2", "c2pa.actions__1", "c2pa.actions.v2__3"]
)
@pytest.mark.parametrize("where", list(WHERE)[:3])
def test_both_versions_and_both_places_of_a_creation(label, where):
    made = actions.read(raw({"action": "c2pa.created", **WHERE[where](TRAINED)}, label=label))
    assert (made.whole, made.parts) == ((TRAINED,), ())


@pytest.mark.parametrize("agent", ["Maker", {"name": "Maker", "version": "1"}])
def test_a_program_is_a_text_or_an_object(agent):
    assert actions.read(raw(created(softwareAgent=agent))).steps[0].agent == "Maker"
    listed = raw(created(softwareAgentIndex=1))
    listed["assertions"][0]["data"]["softwareAgents"] = [{"name": "Other"}, agent]
    assert actions.read(listed).steps[0].agent == "Maker"


@pytest.mark.parametrize("name", ["c2pa.created", "*"])
def test_a_template_speaks_for_the_actions_of_its_name(name):
    template = {"action": name, "digitalSourceType": TRAINED, "softwareAgent": {"name": "Maker"}}
    made = actions.read(raw({"action": "c2pa.created"}, templates=(template,)))
    assert (made.whole, made.steps[0].agent) == ((TRAINED,), "Maker")


@pytest.mark.parametrize("name", ["c2pa.edited", "*"])
def test_a_template_of_steps_speaks_for_steps(name):
    template = {"action": name, "digitalSourceType": TRAINED}
    made = actions.read(raw({"action": "c2pa.opened"}, {"action": "c2pa.edited"}, templates=(template,)))
    assert made.whole == ()
    assert {term for term, _ in made.parts} == {TRAINED}


@pytest.mark.parametrize(
    "label", ["stds.schema-org.CreativeWork", "stds.iptc", "c2pa.metadata", "cawg.metadata__1"]
)
@pytest.mark.parametrize("key", ["digitalSourceType", "Iptc4xmpExt:DigitalSourceType"])
def test_a_description_speaks_for_the_whole_picture_and_a_region_in_it_does_not(label, key):
    whole = {"label": label, "data": {key: {"@id": TRAINED}}}
    region = {"label": label, "data": {"Iptc4xmpExt:ImageRegion": [{key: TRAINED}]}}
    opened = {"action": "c2pa.opened"}
    assert actions.read(raw(opened, more=(whole,))).whole == (TRAINED,)
    made = actions.read(raw(opened, more=(region,)))
    assert (made.whole, made.parts) == ((), ((TRAINED, ""),))


def described(term: str) -> Json:
    work = {"@context": "https://schema.org", "@type": "CreativeWork", "digitalSourceType": term}
    return {"label": "stds.schema-org.CreativeWork", "data": work, "kind": "Json"}


@pytest.mark.parametrize("source", [None, "digitalArt", "humanEdits", "compositeWithTrainedAlgorithmicMedia"])
def test_a_description_of_the_whole_picture_decides(tmp_path, source):
    data = signed(OURS, source_type=source, described=(described(TRAINED),))
    assert examine(data, None, trust_dir=folder(tmp_path, OURS)).summary == "declared_ai_signed"


def test_a_camera_and_ai_at_once_is_an_edit():
    for options in ({"described": (described(TRAINED),)}, {"more": (created(),)}):
        found = only(signed(OURS, source_type="digitalCapture", **options))
        assert found.says == Says.EDITED
        assert "generative AI" in found.detail


def test_an_edit_of_the_whole_by_ai_is_an_edit():
    found = only(signed(OURS, source_type="compositeWithTrainedAlgorithmicMedia"))
    assert found.says == Says.EDITED


def test_many_actions_keep_to_the_bounds():
    many = [{"action": "c2pa.edited", "digitalSourceType": CAPTURE + str(at)} for at in range(10_000)]
    made = actions.read(raw(created(), *many))
    assert len(made.steps) == actions.MOST_ACTIONS
    assert made.whole == (TRAINED,)
    late = actions.read(raw(*[{"action": "c2pa.edited"}] * 10_000, created()))
    assert (late.whole, late.parts) == ((), ((TRAINED, ""),))


@pytest.mark.parametrize(
    "data",
    [
        None,
        1,
        "x",
        [],
        [None],
        {"actions": 1},
        {"actions": [1, None, {"action": {}}]},
        {
            "actions": [{"parameters": 3, "softwareAgent": [], "digitalSourceType": {"@id": 3}}],
            "templates": [2],
            "softwareAgents": 1,
        },
    ],
)
def test_nonsense_is_survived(data):
    made = actions.read({"assertions": [{"label": "c2pa.actions", "data": data}]})
    assert (made.whole, made.parts) == ((), ())


def test_a_deep_line_of_edits_is_followed_to_its_beginning(tmp_path):
    where, data = folder(tmp_path, OURS), AI
    for _ in range(6):
        data = signed(OURS, source_type=None, action="c2pa.opened", ingredient=data)
    assert examine(data, None, trust_dir=where).summary == ProvenanceSummary.DECLARED_AI_SIGNED
