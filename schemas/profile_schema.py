"""The JSON Schema of a baseline profile, from the classes that read it."""

from typing import Any

from pydantic import TypeAdapter

from streamgauge.schemas.profile import SCHEMA, BaselineProfile


def profile_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of the files that `streamgauge baseline` writes and of documents to adopt.

    It says what is there, and of which type; that counts add up is for `BaselineProfile.from_json` to check.

    >>> profile_schema()["properties"]["schema"]
    {'const': 1, 'description': 'Version of this form.'}
    """
    schema = TypeAdapter(BaselineProfile).json_schema(mode="serialization")
    definitions = schema.pop("$defs", {})
    for each in (schema, *definitions.values()):
        each["additionalProperties"] = False
        each["required"] = sorted(each["properties"])
        each["description"] = " ".join(str(each.get("description", "")).split())
    schema["properties"] = {
        "schema": {"const": SCHEMA, "description": "Version of this form."},
        **schema["properties"],
    }
    schema["required"] = ["schema", *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": definitions}
