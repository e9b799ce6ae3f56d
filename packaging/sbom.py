"""Prints the packages of the executable as CycloneDX 1.5 (JSON), from `cargo metadata` and Cargo.lock.

    python3 packaging/sbom.py > sbom.cdx.json

A package is in the executable if the program depends on it on this platform, unless it is a procedural macro. Packages with the suffix -src contain the source of
a C library; a build script compiles it, and the executable contains the library.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def metadata():
    """Returns what cargo knows about this package and the packages that it needs on this platform."""
    host = re.search("^host: (.*)$", run("rustc", "-vV"), re.MULTILINE).group(1)
    return json.loads(run("cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", host))


def run(*command):
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout


def checksums():
    """The SHA-256 of each package's archive, by name and version."""
    entries = (ROOT / "Cargo.lock").read_text().split("[[package]]")[1:]
    found = {}
    for entry in entries:
        fields = dict(re.findall('^(name|version|checksum) = "(.*)"$', entry, re.MULTILINE))
        found[fields["name"], fields["version"]] = fields.get("checksum")
    return found


def used(resolved, packages):
    """The identifiers of the packages in the executable, and the identifiers that each depends on."""
    nodes = {node["id"]: node for node in resolved["nodes"]}

    def is_macro(identifier):
        return any("proc-macro" in target["kind"] for target in packages[identifier]["targets"])

    pending, edges = [resolved["root"]], {}
    while pending:
        identifier = pending.pop()
        if identifier in edges:
            continue
        edges[identifier] = []
        for dependency in nodes[identifier]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            is_linked = None in kinds and not is_macro(dependency["pkg"])
            if is_linked or "build" in kinds and dependency["name"].endswith("_src"):
                edges[identifier].append(dependency["pkg"])
        pending.extend(edges[identifier])
    return edges


def main():
    known = metadata()
    packages = {package["id"]: package for package in known["packages"]}
    sums = checksums()
    edges = used(known["resolve"], packages)

    def purl(identifier):
        return "pkg:cargo/{name}@{version}".format(**packages[identifier])

    def component(identifier):
        package = packages[identifier]
        is_root = identifier == known["resolve"]["root"]
        described = {
            "type": "application" if is_root else "library",
            "bom-ref": purl(identifier),
            "name": package["name"],
            "version": package["version"],
            "purl": purl(identifier),
        }
        if package["license"]:
            # SPDX replaced the slash by OR.
            described["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
        checksum = sums.get((package["name"], package["version"]))
        if checksum:
            described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return described

    root = known["resolve"]["root"]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root)},
        "components": sorted((component(it) for it in edges if it != root), key=lambda it: it["bom-ref"]),
        "dependencies": [
            {"ref": purl(it), "dependsOn": sorted({purl(other) for other in edges[it]})} for it in sorted(edges, key=purl)
        ],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
