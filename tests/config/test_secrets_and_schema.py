"""Secrets are read from private places only; the schema is the models' and the README's."""

import json
import re

import jsonschema
import pytest

from gateway.interfaces import SetupError
from gateway.settings import Secret, check, json_schema
from gateway.settings.yaml_source import read, read_bytes
from tests.config.examples import COUNTY, MODELS, ONE_POST, ROOT, copy_of

SCHEMA = ROOT / "config" / "schema.json"


def secret_file(folder, content=b"hunter2\n", mode=0o600):
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_is_the_text_of_its_file_without_the_line_break(tmp_path):
    secret_file(tmp_path)
    assert Secret(file="secret").read(tmp_path) == "hunter2"
    assert Secret(file=str(tmp_path / "secret")).read() == "hunter2"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o660])
def test_a_file_that_others_can_touch_is_refused(tmp_path, mode):
    path = secret_file(tmp_path, mode=mode)
    with pytest.raises(SetupError, match=f"chmod 600 {path}") as caught:
        Secret(file=str(path)).read()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"\n", "empty"), (b"x" * 5000, "longer"), (b"\xff", "not UTF-8")],
)
def test_a_file_that_is_no_secret_is_refused(tmp_path, content, words):
    path = secret_file(tmp_path, content)
    with pytest.raises(SetupError, match=words):
        Secret(file=str(path)).read()


def test_a_missing_secret_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(SetupError, match="No such file or directory; create it"):
        Secret(file=str(tmp_path / "none")).read()
    monkeypatch.delenv("GRIDCALL_NONE", raising=False)
    with pytest.raises(SetupError, match="GRIDCALL_NONE is not set"):
        Secret(env="GRIDCALL_NONE").read()


def test_a_secret_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("GRIDCALL_TOKEN", "hunter2")
    assert Secret(env="GRIDCALL_TOKEN").read() == "hunter2"


def test_the_printed_schema_is_the_models():
    printed = json.loads(SCHEMA.read_text("utf-8"))
    assert printed == json.loads(json.dumps(json_schema(MODELS))), (
        "config/schema.json is old; make it anew: gridcall schema > config/schema.json"
    )


@pytest.mark.parametrize("path", [ONE_POST, COUNTY])
def test_the_schema_accepts_the_examples(path):
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(read(path).root.plain(), schema)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("time_out_s: 60", "time_out: 60"),
        ("time_out_s: 60", "time_out_s: 600"),
        ('guard_code: "034"', "guard_code: 134"),
        ("ptt: rts", "ptt: rst"),
        ("  p_li:", "  p li:"),
    ],
)
def test_the_schema_refuses_what_the_check_refuses(old, new, tmp_path):
    text = ONE_POST.read_text("utf-8").replace(old, new, 1)
    (tmp_path / "site.yaml").write_text(text, "utf-8")
    plain = read(tmp_path / "site.yaml").root.plain()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, json.loads(SCHEMA.read_text("utf-8")))


def models_of(schema):
    return {"Settings": schema, **schema["$defs"]}.items()


def test_every_key_says_what_it_means():
    for name, model in models_of(json_schema(MODELS)):
        for key, part in model.get("properties", {}).items():
            assert part.get("description"), (
                f"{name}.{key} has no line in its class's Attributes"
            )


def test_every_key_stands_in_the_technicians_guide():
    guide = (ROOT / "config" / "README.md").read_text("utf-8")
    guide = re.sub(r"```.*?```", "", guide, flags=re.DOTALL)
    words = set(re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"`[^`]+`", guide))))
    for name, model in models_of(json_schema(MODELS)):
        missing = model.get("properties", {}).keys() - words
        assert not missing, f"{name}: {missing} not in the guide"


def test_every_figure_with_a_range_carries_its_unit_or_counts_something():
    counts = {
        "port", "grade", "digits", "needs", "times", "random_per_shift", "alerts_per_s",
        "per_chat_per_s", "per_s",
    }  # fmt: skip
    units = ("_ms", "_s", "_min", "_h", "_days", "_years", "_kb", "_mhz", "_dbfs", "_m")
    for name, model in models_of(json_schema(MODELS)):
        for key, part in model.get("properties", {}).items():
            if "minimum" in part or "maximum" in part:
                assert key in counts or key.endswith(units), f"{name}.{key} has no unit"


def blocks_of_the_guide():
    guide = (ROOT / "config" / "README.md").read_text("utf-8")
    return [part.split("```")[0] for part in guide.split("```yaml\n")[1:]]


@pytest.mark.parametrize("block", blocks_of_the_guide())
def test_the_guides_parts_to_copy_fit_into_the_first_example(block, tmp_path):
    """Each section of the part takes the place of the example's, or stands beside it."""
    part = read_bytes(block.encode(), "guide").root.plain()
    tree = read(ONE_POST).root.plain()
    for section, entries in part.items():
        tree[section] = entries if section == "roster" else tree.get(section, {}) | entries
    path = copy_of(tmp_path, json.dumps(tree, ensure_ascii=False))
    assert [str(problem) for problem in check(path, MODELS)] == []
