//! What Query tells about the server, in each version's own terms, over HTTPS in XML: what a client reads is what
//! these tests read.

use crate::harness::{Embedded, Pki};
use crate::https;

/// The XML of the answer to a Query of `functions` in `version`.
fn query(version: (u8, u8), functions: &[&str]) -> String {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let mut client = pki.connect(server.port, &pki.client);
    let function = |name: &&str| format!("<QueryFunction type='Enumeration' value='{name}'/>");
    let functions: String = functions.iter().map(function).collect();
    let request = format!(
        "<RequestMessage><RequestHeader><ProtocolVersion>\
         <ProtocolVersionMajor type='Integer' value='{}'/><ProtocolVersionMinor type='Integer' value='{}'/>\
         </ProtocolVersion><BatchCount type='Integer' value='1'/></RequestHeader><BatchItem>\
         <Operation type='Enumeration' value='Query'/><RequestPayload>{functions}</RequestPayload></BatchItem>\
         </RequestMessage>",
        version.0, version.1
    );
    let answer = https::post(&mut client, "text/xml", request.as_bytes()).unwrap();
    String::from_utf8(answer.body).unwrap()
}

#[test]
fn profiles_have_the_names_of_the_version() {
    let text = query((1, 4), &["QueryProfiles"]);
    assert!(
        text.contains("\"TapeLibraryServerKMIPV1_4\"") && text.contains("\"HTTPSServerKMIPV1_4\""),
        "{text}"
    );
    assert!(!text.contains("ClientKMIP") && !text.contains("ProfileVersion"), "{text}");
    let text = query((1, 3), &["QueryProfiles"]);
    assert!(text.contains("KMIPV1_3") && !text.contains("KMIPV1_4"), "{text}");
    let text = query((2, 1), &["QueryProfiles"]);
    assert!(text.contains("\"TapeLibraryServer\"") && text.contains("<ProfileVersionMajor"), "{text}");
    assert!(!text.contains("KMIPV1"), "{text}");
}

#[test]
fn what_the_server_does_not_have_is_not_told() {
    let text = query(
        (2, 1),
        &["QueryValidations", "QueryExtensionList", "QueryApplicationNamespaces", "QueryDefaultsInformation"],
    );
    assert!(text.contains("<ResponsePayload></ResponsePayload>"), "{text}");
}

#[test]
fn capabilities_generators_and_storage_are_told_where_the_version_has_them() {
    let text = query((1, 4), &["QueryCapabilities", "QueryRNGs"]);
    assert!(text.contains("<BatchUndoCapability type=\"Boolean\" value=\"true\"/>"), "{text}");
    assert!(text.contains("<RNGAlgorithm type=\"Enumeration\" value=\"Unspecified\"/>"), "{text}");
    let text = query((2, 0), &["QueryStorageProtectionMasks"]);
    assert!(text.contains("<ProtectionStorageMask type=\"Integer\" value=\"Software\"/>"), "{text}");
    let text = query((1, 2), &["QueryObjects", "QueryProfiles"]);
    assert!(text.contains("SymmetricKey") && !text.contains("ProfileInformation"), "{text}");
}
