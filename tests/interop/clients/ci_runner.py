"""Runs the scripts of action.yml and of templates/kmip-server.yml, as the runners of GitHub and GitLab do.

    ci_runner.py action FOLDER INPUT=VALUE...         prints the outputs of the action as JSON
    ci_runner.py component INPUT=VALUE...             prints the shell script of the job's before_script
    ci_runner.py component-schema                     prints the component with the default inputs, without its header

Knows the expressions that these files use: `inputs`, outputs of steps, and `$[[ inputs.NAME ]]`.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

from ruamel.yaml import YAML

ROOT = pathlib.Path(__file__).resolve().parents[3]
ACTION = ROOT / "action.yml"
COMPONENT = ROOT / "templates" / "kmip-server.yml"
LIMIT_SECONDS = 300


def chosen(declared, given):
    """The values of the inputs; an input that is not declared is an error."""
    unknown = set(given) - set(declared)
    assert not unknown, f"no inputs: {sorted(unknown)}"
    return dict({name: entry["default"] for name, entry in declared.items()}, **given)


def run_action(folder, given):
    action = YAML(typ="safe").load(ACTION)
    inputs, steps = chosen(action["inputs"], given), {}
    folder.mkdir(parents=True, exist_ok=True)

    def value(text):
        def evaluate(match):
            words = match[1].split(".")
            if words[0] == "inputs":
                return inputs[words[1]]
            assert words[0] == "steps" and words[2] == "outputs", match[0]
            return steps[words[1]].get(words[3], "")

        return re.sub(r"\$\{\{ (\S+) \}\}", evaluate, text)

    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash", step
        script, output = folder / f"{step['id']}.sh", folder / f"{step['id']}.output"
        script.write_text(step["run"])
        output.write_text("")
        variables = {name: value(text) for name, text in step["env"].items()}
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            env=dict(os.environ, RUNNER_TEMP=str(folder), GITHUB_OUTPUT=str(output), **variables),
            stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=LIMIT_SECONDS, check=True,
        )
        steps[step["id"]] = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return {name: value(entry["value"]) for name, entry in action["outputs"].items()}


def component(given):
    """The component's header and jobs, with the inputs in their places."""
    header, text = COMPONENT.read_text().split("\n---\n")
    declared = YAML(typ="safe").load(header)["spec"]["inputs"]
    inputs = chosen(declared, given)
    return re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda match: inputs[match[1]], text)


def script(given):
    """The script of a job that extends the component, up to its own commands."""
    (job,) = YAML(typ="safe").load(component(given)).values()
    lines = [f"export {name}='{value}'" for name, value in job["variables"].items()]
    return "\n".join([*lines, *job["before_script"]])


def main(word, *arguments):
    if word == "component-schema":
        return component({})
    folder = pathlib.Path(arguments[0]) if word == "action" else None
    given = dict(argument.split("=", 1) for argument in arguments[1 if folder else 0 :])
    return json.dumps(run_action(folder, given)) if folder else script(given)


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
