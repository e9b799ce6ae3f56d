"""The walk of smoke.py through every version, with two identities, as one test."""

import smoke


def test_pykmips_client_walks_through_every_version(start, pki):
    server = start()
    steps = smoke.Steps()
    john, jane = (
        smoke.connector("127.0.0.1", server.port, pki.certificate(who), pki.key(who), pki.ca_path)
        for who in ("john_doe", "jane_doe")
    )
    smoke.walk(steps, john, list(smoke.VERSIONS), jane)
    assert not steps.failed, "\n".join(steps.failed) + "\n" + server.report()
    assert steps.passed > 500, f"only {steps.passed} steps ran"
