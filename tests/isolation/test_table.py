"""The table has a row for each route, and a route for each row."""

from __future__ import annotations

from tests.isolation.needs import METHODS
from tests.isolation.routes import routes, socket_routes
from tests.isolation.table import SOCKETS, TABLE

ADD = "Say who may what there, by a row in tests/isolation/table.py: "
GONE = "There are no such routes any more. Take their rows out of tests/isolation/table.py: "


def test_each_route_has_a_row():
    missing = sorted(set(routes()) - set(TABLE)) + sorted(socket_routes() - set(SOCKETS))
    assert not missing, ADD + ", ".join(missing)


def test_each_row_has_a_route():
    spare = sorted(set(TABLE) - set(routes())) + sorted(set(SOCKETS) - socket_routes())
    assert not spare, GONE + ", ".join(spare)


def test_each_row_names_the_methods_that_a_view_of_a_class_knows():
    for address, route in routes().items():
        view = getattr(route.view, "cls", None) or getattr(route.view, "view_class", None)
        if view is None or address.startswith("admin/"):  # their views take any method, as GET
            continue
        known = {
            each for each in METHODS if hasattr(view, each.lower()) and each.lower() in view.http_method_names
        }
        known |= {"HEAD"} if "GET" in known else set()
        assert set(TABLE[address]) == known, f"{address}: the view knows {sorted(known)}"
