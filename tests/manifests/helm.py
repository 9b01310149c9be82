"""Lints and renders the chart with Helm itself, which a Python package brings as a library.

In: a JSON array of sets of values. Out: a JSON array with, for each, what lint says and the manifests, or the error.
"""

import json
import sys

from helm_python import Chart, chart, errors

folder = sys.argv[1]


def rendered(values):
    lint = chart.lint(folder, values, strict=True, namespace="stripe402", quiet=True)
    try:
        with Chart.load(folder) as loaded:
            loaded.validate_schema(values)
            texts = loaded.render(values, name="stripe402", namespace="stripe402")
    except errors.HelmError as error:
        return {"error": str(error)}
    manifests = [text for name, text in sorted(texts.items()) if name.endswith(".yaml") and text.strip()]
    messages = [message for message in lint["messages"] if message["severity"] > 1]
    return {"lint": messages + lint["errors"], "manifests": manifests}


json.dump([rendered(values) for values in json.load(sys.stdin)], sys.stdout)
