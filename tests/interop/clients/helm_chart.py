"""Lints and renders the chart of packaging/helm with Helm's own code, and validates the results by Kubernetes' schemas.

    helm_chart.py CHART       prints the names of the environment variables of the server, one per line
"""

import json
import sys

import helm_python
import kubernetes_validate
from ruamel.yaml import YAML

KUBERNETES = "1.30"
VALUES = (
    {},
    {
        "persistence": {"enabled": True, "storageClassName": "fast"}, "settings": {"compatibility": "Standard"},
        "testControl": False, "managementToken": "0123456789abcdef", "resources": {"limits": {"memory": "128Mi"}},
    },
)


def main(path):
    variables = {}
    for values in VALUES:
        report = helm_python.lint(path, values, strict=True)
        bad = [message for message in report["messages"] if message["severity"] > 1]
        if bad or report["errors"]:
            sys.exit(json.dumps(report, indent=1))
        with helm_python.Chart.load(path) as chart:
            rendered = chart.render(values, name="tests", namespace="ci")
        kinds = {}
        for text in rendered.values():
            for document in YAML(typ="safe").load_all(text):
                if document:
                    kubernetes_validate.validate(document, KUBERNETES, strict=True)
                    kinds[document["kind"]] = document
        assert set(kinds) == {"Secret", "Service", "StatefulSet"}, kinds
        assert len(kinds["Secret"]["stringData"]["managementToken"]) >= 16, kinds["Secret"]
        pod = kinds["StatefulSet"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes.update(claim["metadata"]["name"] for claim in kinds["StatefulSet"]["spec"].get("volumeClaimTemplates", []))
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes, volumes
        variables.update({variable["name"]: variable.get("value") for variable in container["env"]})
    assert variables["KMIP_COMPATIBILITY"] == "Standard" and variables["KMIP_TEST_CONTROL"] == "False", variables
    assert variables["KMIP_AUTO_CERTIFICATE_HOSTS"] == "tests,tests.ci,tests.ci.svc", variables
    print("\n".join(variables))


if __name__ == "__main__":
    main(sys.argv[1])
