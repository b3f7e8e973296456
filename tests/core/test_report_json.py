"""What is published outwards: every node that the core can report is in the schema."""

import ast
from pathlib import Path

import jsonschema
import pytest

from gateway.core.centre import report_json
from gateway.core.centre.report_json import NODES, RECEIPT_SCHEMA, receipt_json, refusal_json
from gateway.core.effects import Receipt
from gateway.core.order import Node

CORE = Path(report_json.__file__).parents[1]


def reported_literals():
    for path in sorted(CORE.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "report":
                node = call.args[1]
                if isinstance(node, ast.Constant):
                    yield path.name, node.value


def test_every_node_the_core_reports_is_in_the_published_list():
    found = list(reported_literals())
    assert len(found) > 10, "the core no longer reports by draft.report(order, node, …)?"
    assert [(where, node) for where, node in found if node not in NODES] == []
    assert {node.value for node in Node} <= set(NODES)


@pytest.mark.parametrize("status", ["accepted", "duplicate", "conflict", "refused"])
def test_a_receipt_fits_its_schema(status):
    receipt = Receipt(status=status, sender="zhzx", id="JQ-1", flags=("clock_skew",))
    jsonschema.validate(receipt_json(receipt, 7), RECEIPT_SCHEMA)


def test_a_refusal_fits_the_same_schema_even_when_nothing_could_be_read():
    refusal = refusal_json("body: is not JSON", 7)
    jsonschema.validate(refusal, RECEIPT_SCHEMA)
    assert (refusal["id"], refusal["sender"], refusal["journal"]) == (None, None, 7)
