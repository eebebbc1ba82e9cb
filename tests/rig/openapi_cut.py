"""Cut GitHub's OpenAPI description to the operations that the rig answers.

    npm pack @octokit/openapi, unpack it, and
    python -m rig.openapi_cut package/generated/api.github.com.json (in tests/)

writes openapi.json beside this file: for each operation its parameters and the schema of its body,
as plain JSON Schema, and nothing of the answers.
"""

import json
import sys
from pathlib import Path
from typing import Any

from .rest import ROUTES

CUT = Path(__file__).with_name("openapi.json")
KEPT = {
    *("type", "enum", "items", "properties", "required", "oneOf", "anyOf", "allOf", "minimum"),
    *("maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "format"),
    "additionalProperties",
}


def main(source: Path) -> None:
    description = json.loads(source.read_text(encoding="utf-8"))
    package = json.loads((source.parent.parent / "package.json").read_text(encoding="utf-8"))
    cut = Cut(description)
    operations = {name: cut.operation(*name.split(" ")) for name in sorted(ROUTES)}
    head = {"from": f"@octokit/openapi {package['version']}, MIT licence"}
    CUT.write_text(json.dumps(head | {"operations": operations}, indent=1, sort_keys=True) + "\n")


class Cut:
    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description

    def operation(self, method: str, path: str) -> dict[str, Any]:
        at = self.description["paths"][path]
        found = at[method.lower()]
        given = [self.resolved(each) for each in (*at.get("parameters", []), *found["parameters"])]
        body = self.resolved(found.get("requestBody", {}))
        schema = body.get("content", {}).get("application/json", {}).get("schema")
        return {
            "parameters": [
                {
                    "name": each["name"],
                    "in": each["in"],
                    "required": each.get("required", False),
                    "schema": self.schema(each["schema"]),
                }
                for each in given
            ],
            "body": schema and self.schema(schema),
            "body required": body.get("required", False),
        }

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            words = node["$ref"].removeprefix("#/").split("/")
            node = self.description
            for word in words:
                node = node[word]
        return node

    def schema(self, node: Any) -> Any:
        """Plain JSON Schema: references written out, `nullable` said by the type."""
        if not isinstance(node, dict):
            return node
        node = self.resolved(node)
        cut = {key: self.keyword(key, value) for key, value in node.items() if key in KEPT}
        return {"anyOf": [cut, {"type": "null"}]} if node.get("nullable") else cut

    def keyword(self, key: str, value: Any) -> Any:
        if key == "properties":
            return {name: self.schema(each) for name, each in value.items()}
        if key in ("oneOf", "anyOf", "allOf"):
            return [self.schema(each) for each in value]
        return self.schema(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
