"""The state machine as a deployment fills it in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
DEFINITION_URI = "statemachines/run.asl.json"

PARTITION, REGION, ACCOUNT = "aws", "us-east-1", "123456789012"
PSEUDO_PARAMETERS = {
    "AWS::Partition": PARTITION,
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::StackName": "jobferry",
}
FUNCTION_ARN = f"arn:{PARTITION}:lambda:{REGION}:{ACCOUNT}:function:"


def deployed_definition() -> str:
    """The text of the definition file with everything that the template substitutes filled in."""
    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    (substitutions,) = (
        resource["Properties"]["DefinitionSubstitutions"]
        for resource in template["Resources"].values()
        if resource.get("Properties", {}).get("DefinitionUri") == DEFINITION_URI
    )
    text = (ROOT / DEFINITION_URI).read_text(encoding="utf-8")
    for name, value in substitutions.items():
        text = text.replace(f"${{{name}}}", _filled(value, template))
    assert "${" not in text, "the template does not substitute everything"
    return text


def _filled(value: Any, template: Mapping[str, Any]) -> str:
    """What CloudFormation makes of a value; names of resources are their logical ids."""
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return PSEUDO_PARAMETERS.get(name, name)
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            kind = template["Resources"][name]["Type"]
            if kind == "AWS::Serverless::Function":
                return FUNCTION_ARN + name
            return f"arn:{PARTITION}:{kind.split('::')[1].lower()}:{REGION}:{ACCOUNT}:{name}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"{name}-{attribute}"
    raise NotImplementedError(f"a substitution by {value}")
