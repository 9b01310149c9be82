"""Checks resources of Kubernetes itself against its schemas, unknown fields refused.

In: a JSON array of manifests. Out: a JSON array of what is wrong with each, in the same order.
"""

import functools
import json
import sys

from kubernetes_validate import utils

# Each schema is read once, however many manifests are of its kind.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)


def problems(manifest):
    try:
        utils.validate(manifest, utils.latest_version(), strict=True)
    except utils.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    except utils.SchemaNotFoundError as error:
        return [error.message]
    return []


json.dump([problems(manifest) for manifest in json.load(sys.stdin)], sys.stdout)
