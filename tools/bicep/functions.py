"""The functions, decorators and simple types that Bicep has, with how many arguments each takes."""

from __future__ import annotations

from typing import Final

_MANY: Final = 99

_TABLE: Final = """
any 1, array 1, base64 1, base64ToJson 1, base64ToString 1, bool 1, cidrHost 2, cidrSubnet 3, coalesce 1+, concat 1+,
contains 2, dataUri 1, dataUriToString 1, dateTimeAdd 2-3, dateTimeFromEpoch 1, dateTimeToEpoch 1, deployer 0,
deployment 0, empty 1, endsWith 2, environment 0, extensionResourceId 3+, fail 1, filter 2, first 1, flatten 1,
format 1+, groupBy 2, guid 1+, indexOf 2, int 1, intersection 1+, items 1, join 2, json 1, last 1, lastIndexOf 2,
length 1, loadFileAsBase64 1, loadJsonContent 1-3, loadTextContent 1-2, loadYamlContent 1-3, managementGroup 0-1,
managementGroupResourceId 2+, map 2, mapValues 2, max 1+, min 1+, nameof 1, newGuid 0, objectKeys 1, padLeft 2-3,
parseCidr 1, pickZones 3-5, range 2, reduce 3, reference 1-3, replace 3, resourceGroup 0-2, resourceId 2+,
shallowMerge 1, skip 2, sort 2, split 2, startsWith 2, string 1, subscription 0-1, subscriptionResourceId 2+,
substring 2-3, take 2, tenant 0, tenantResourceId 2+, toLower 1, toObject 2-3, toUpper 1, trim 1, union 1+,
uniqueString 1+, uri 2, uriComponent 1, uriComponentToString 1, utcNow 0-1, readEnvironmentVariable 1-2
"""


def _takes(text: str) -> tuple[int, int]:
    if text.endswith("+"):
        return int(text[:-1]), _MANY
    least, _, most = text.partition("-")
    return int(least), int(most or least)


FUNCTIONS: Final[dict[str, tuple[int, int]]] = {
    name: _takes(count) for name, count in (each.split() for each in _TABLE.replace("\n", " ").split(","))
}
"""The least and the greatest number of arguments of each."""

OF_A_DEFAULT: Final = frozenset({"newGuid", "utcNow"})
"""Only in the default of a parameter: they give another value at each deployment."""
OF_PARAMETERS: Final = frozenset({"readEnvironmentVariable"})
"""Only in a file of parameters."""
FILES: Final = frozenset({"loadFileAsBase64", "loadJsonContent", "loadTextContent", "loadYamlContent"})

TYPES: Final = frozenset({"string", "int", "bool", "object", "array"})

DECORATORS: Final[dict[str, frozenset[str]]] = {
    "description": frozenset({"param", "var", "resource", "module", "output", "custom_type", "custom_func"}),
    "metadata": frozenset({"param", "output", "custom_type", "custom_func"}),
    "secure": frozenset({"param", "output", "custom_type"}),
    "allowed": frozenset({"param"}),
    "minLength": frozenset({"param", "output", "custom_type"}),
    "maxLength": frozenset({"param", "output", "custom_type"}),
    "minValue": frozenset({"param", "output", "custom_type"}),
    "maxValue": frozenset({"param", "output", "custom_type"}),
    "export": frozenset({"var", "custom_type", "custom_func"}),
    "discriminator": frozenset({"param", "output", "custom_type"}),
    "sealed": frozenset({"param", "output", "custom_type"}),
    "batchSize": frozenset({"resource", "module"}),
    "onlyIfNotExists": frozenset({"resource"}),
}
"""What each may stand at."""
