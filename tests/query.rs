//! Query responses of each version, read as XML over HTTPS.

use kmip_server::internals::config::{Announcement, Section};

use crate::harness::{Embedded, Pki};
use crate::https;
use crate::settings::with;

/// Returns the response to a Query of `functions` in `version`, as XML.
fn query(version: (u8, u8), functions: &[&str]) -> String {
    query_of(Announcement::default(), version, functions)
}

/// Returns the response of a server with these announcements in its settings.
fn query_of(announced: Announcement, version: (u8, u8), functions: &[&str]) -> String {
    let pki = Pki::new();
    let server = Embedded::real(&with(pki.config(), |it| it.announced = announced));
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
fn query_returns_the_profile_names_of_the_version() {
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
fn query_omits_what_the_server_does_not_support() {
    let text = query(
        (2, 1),
        &["QueryValidations", "QueryExtensionList", "QueryApplicationNamespaces", "QueryDefaultsInformation"],
    );
    assert!(text.contains("<ResponsePayload></ResponsePayload>"), "{text}");
}

#[test]
fn query_returns_capabilities_generators_and_storage_in_versions_that_define_them() {
    let text = query((1, 4), &["QueryCapabilities", "QueryRNGs"]);
    assert!(text.contains("<BatchUndoCapability type=\"Boolean\" value=\"true\"/>"), "{text}");
    assert!(text.contains("<RNGAlgorithm type=\"Enumeration\" value=\"Unspecified\"/>"), "{text}");
    let text = query((2, 0), &["QueryStorageProtectionMasks"]);
    assert!(text.contains("<ProtectionStorageMask type=\"Integer\" value=\"Software\"/>"), "{text}");
    let text = query((1, 2), &["QueryObjects", "QueryProfiles"]);
    assert!(text.contains("SymmetricKey") && !text.contains("ProfileInformation"), "{text}");
}

#[test]
fn query_returns_announced_values_instead_of_built_in_values() {
    let lines = [
        "XML Server KMIP v1.4",
        "HTTPS Server at https://kmip.example/kmip port 5697",
        "HTTPS Server KMIP v1.3",
    ];
    let entries = [("authority", "Common Criteria"), ("type", "Hybrid"), ("version", "3.1"), ("level", "4")];
    let announced = Announcement {
        profiles: Some(lines.map(str::to_owned).to_vec()),
        validations: vec![Section {
            name: "validation:first".to_owned(),
            entries: entries.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        }],
        manufacturer: Some("Example Ltd".to_owned()),
        product: Some("Example".to_owned()),
        version: Some("7.8".to_owned()),
        pkcs11_version: None,
    };
    let functions = ["QueryProfiles", "QueryValidations", "QueryServerInformation"];
    let text = query_of(announced.clone(), (1, 4), &functions);
    let (xml, https) = (text.find("XMLServerKMIPV1_4").unwrap(), text.find("HTTPSServerKMIPV1_3").unwrap());
    assert!(xml < https && text.matches("<ProfileName").count() == 2, "{text}");
    assert!(text.contains("<VendorIdentification type=\"TextString\" value=\"Example Ltd\"/>"), "{text}");
    assert!(text.contains("value=\"Example 7.8\"") && !text.contains("kmip-server"), "{text}");
    assert!(text.contains("value=\"CommonCriteria\"") && text.contains("value=\"Hybrid\""), "{text}");
    let text = query_of(announced.clone(), (1, 3), &functions);
    assert!(
        text.contains("HTTPSServerKMIPV1_3") && !text.contains("XMLServer"),
        "1.3 has no such name: {text}"
    );
    let text = query_of(announced, (2, 1), &functions);
    assert!(
        text.contains("<ProfileName type=\"Enumeration\" value=\"HTTPSServer\"/>")
            && text.contains("<ServerURI type=\"TextString\" value=\"https://kmip.example/kmip\"/>")
            && text.contains("<ServerPort type=\"Integer\" value=\"5697\"/>"),
        "{text}"
    );
    let none = Announcement { profiles: Some(Vec::new()), ..Announcement::default() };
    let text = query_of(none, (1, 4), &["QueryProfiles"]);
    assert!(text.contains("<ResponsePayload></ResponsePayload>"), "{text}");
}
