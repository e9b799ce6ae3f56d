"""MongoDB's driver with data keys under a KMIP server: made, used, found again and wrapped anew.

    python mongodb_driver.py SETTINGS     (the lines of docs/mongodb.md, as a file of Python)

Prints one line a step. Runs in the environment of requirements-mongodb.txt, in the folder of the certificates.
"""

import pathlib
import runpy
import sys

import pymongo
from bson.codec_options import CodecOptions
from key_vault import KeyVault
from pymongo.encryption import Algorithm, ClientEncryption

SECRET = "a value that the database does not see"
# A key of the server's that the driver registers as secret data, and one that never leaves the server.
KINDS = {"local": {}, "delegated": {"delegated": True}}


def main(settings):
    lines = runpy.run_path(settings)
    with KeyVault() as vault, pymongo.MongoClient(vault.uri) as client:

        def driver():
            """Returns a client without cache, which asks the server for each key."""
            return ClientEncryption(
                lines["kms_providers"], "encryption.__keyVault", client, CodecOptions(),
                kms_tls_options=lines["kms_tls_options"],
            )

        values = {}
        for kind, master_key in KINDS.items():
            key = driver().create_data_key("kmip", master_key=master_key)
            values[kind] = driver().encrypt(SECRET, Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random, key_id=key)
            assert driver().decrypt(values[kind]) == SECRET
            print(f"{kind}: a data key was made and used")
        identifier = vault.documents[0]["masterKey"]["keyId"]
        driver().create_data_key("kmip", master_key={"keyId": identifier})
        assert [document["masterKey"]["keyId"] for document in vault.documents].count(identifier) == 2
        print("a key of the server's that is there already was used by its identifier")
        changed = driver().rewrap_many_data_key({}, provider="kmip", master_key={"keyId": identifier})
        assert changed.bulk_write_result.modified_count == len(vault.documents) == 3
        assert all(driver().decrypt(value) == SECRET for value in values.values())
        print("every data key was wrapped anew")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    main(sys.argv[1])
