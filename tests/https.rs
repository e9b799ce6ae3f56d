//! KMIP over HTTPS: messages in TTLV, XML and JSON on the port for plain TTLV, and invalid requests.

use std::io::Read as _;

use kmip_server::encoding::{json, xml};

use crate::harness::{Client, Embedded, Pki};

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    /// The status line and the fields, each with its line break.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl HttpResponse {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Receives one response.
pub(crate) fn receive(client: &mut Client) -> std::io::Result<HttpResponse> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut answer = HttpResponse { head, body: Vec::new() };
    let length = answer.field("Content-Length").map_or(0, |length| length.parse().unwrap());
    answer.body.resize(length, 0);
    client.stream.read_exact(&mut answer.body)?;
    Ok(answer)
}

/// Sends a message in an HTTP/1.1 request, and receives the response.
pub(crate) fn post(client: &mut Client, content_type: &str, body: &[u8]) -> std::io::Result<HttpResponse> {
    let fields = format!("Host: localhost\r\nContent-Type: {content_type}\r\nCache-Control: no-cache\r\n");
    let head = format!("POST /kmip HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    client.send(&[head.as_bytes(), body].concat())?;
    receive(client)
}

const QUERY: &str = "<RequestMessage><RequestHeader><ProtocolVersion>\
    <ProtocolVersionMajor type='Integer' value='1'/><ProtocolVersionMinor type='Integer' value='2'/>\
    </ProtocolVersion><BatchCount type='Integer' value='1'/></RequestHeader><BatchItem>\
    <Operation type='Enumeration' value='Query'/><RequestPayload>\
    <QueryFunction type='Enumeration' value='QueryObjects'/></RequestPayload></BatchItem></RequestMessage>";

#[test]
fn responds_in_the_encoding_of_the_request_and_keeps_the_connection_open() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let mut client = pki.connect(server.port, &pki.client);
    let ttlv = xml::decode(QUERY.as_bytes()).unwrap();
    for _ in 0..2 {
        let answer = post(&mut client, "text/xml; charset=utf-8", QUERY.as_bytes()).unwrap();
        assert_eq!((answer.status(), answer.field("Content-Type")), ("200", Some("text/xml")));
        assert_eq!(answer.field("Cache-Control"), Some("no-cache"));
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.contains("<ResultStatus type=\"Enumeration\" value=\"Success\"/>"), "{text}");

        let spelled = json::encode(&ttlv).unwrap();
        let answer = post(&mut client, "application/json", spelled.as_bytes()).unwrap();
        assert_eq!((answer.status(), answer.field("Content-Type")), ("200", Some("application/json")));
        assert!(json::decode(&answer.body).is_ok());

        let answer = post(&mut client, "application/octet-stream", &ttlv).unwrap();
        assert_eq!(
            (answer.status(), answer.field("Content-Type")),
            ("200", Some("application/octet-stream"))
        );
        assert!(xml::encode(&answer.body).unwrap().contains("SymmetricKey"));
    }
}

#[test]
fn the_request_of_the_first_page_creates_a_key() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let mut client = pki.connect(server.port, &pki.client);
    let answer = post(&mut client, "application/json", include_bytes!("../examples/create.json")).unwrap();
    assert_eq!(answer.status(), "200");
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("\"value\":\"Success\"") && text.contains("UniqueIdentifier"), "{text}");
}

#[test]
fn answers_plain_ttlv_on_the_same_port() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let ttlv = xml::decode(QUERY.as_bytes()).unwrap();
    let mut bare = pki.connect(server.port, &pki.client);
    let mut http = pki.connect(server.port, &pki.client);
    assert_eq!(post(&mut http, "application/octet-stream", &ttlv).unwrap().status(), "200");
    assert!(xml::encode(&bare.exchange(&ttlv).unwrap()).unwrap().contains("Success"));
}

#[test]
fn answers_pipelined_requests() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let mut client = pki.connect(server.port, &pki.client);
    let fields = format!("Content-Type: text/xml\r\nContent-Length: {}\r\n\r\n{QUERY}", QUERY.len());
    client.send(format!("POST /kmip HTTP/1.1\r\nHost: a\r\n{fields}").repeat(3).as_bytes()).unwrap();
    for _ in 0..3 {
        assert_eq!(receive(&mut client).unwrap().status(), "200");
    }
}

#[test]
fn answers_expect_100_continue() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let mut client = pki.connect(server.port, &pki.client);
    let fields = format!("Content-Type: text/xml\r\nContent-Length: {}\r\n", QUERY.len());
    client
        .send(format!("POST /kmip HTTP/1.1\r\nHost: a\r\n{fields}Expect: 100-continue\r\n\r\n").as_bytes())
        .unwrap();
    assert_eq!(receive(&mut client).unwrap().status(), "100");
    client.send(QUERY.as_bytes()).unwrap();
    assert_eq!(receive(&mut client).unwrap().status(), "200");
}

#[test]
fn http_1_0_connection_closes_unless_client_asks_to_keep_it_alive() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let fields = format!("Content-Type: text/xml\r\nContent-Length: {}\r\n", QUERY.len());
    for (connection, keep_alive) in [("", false), ("Connection: Keep-Alive\r\n", true)] {
        let mut client = pki.connect(server.port, &pki.client);
        let request = format!("POST /kmip HTTP/1.0\r\n{fields}{connection}\r\n{QUERY}");
        client.send(request.as_bytes()).unwrap();
        let answer = receive(&mut client).unwrap();
        assert!(answer.head.starts_with("HTTP/1.0 200 "), "{}", answer.head);
        assert_eq!(answer.field("Connection"), Some(if keep_alive { "keep-alive" } else { "close" }));
        if keep_alive {
            client.send(request.as_bytes()).unwrap();
            assert_eq!(receive(&mut client).unwrap().status(), "200");
        } else {
            assert!(client.is_closed());
        }
    }
}

#[test]
fn invalid_http_request_receives_a_status_and_ends_the_connection() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.max_request_size = 10_000;
    let server = Embedded::real(&config);
    let xml = |body: &str| format!("Content-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for (request, status, text) in [
        ("GET /kmip HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "405", "POST"),
        ("GET /kmip HTTP/1.1\r\n\r\n".to_owned(), "400", "Host exactly once"),
        (format!("POST /kmip HTTP/1.1\r\nHost: a\r\nHost: a\r\n{}", xml(QUERY)), "400", "Host exactly once"),
        // An intermediary that looks at one of the fields only would see another end of the request.
        (
            format!("POST /kmip HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{}", xml("0\r\n\r\n")),
            "400",
            "Transfer-Encoding",
        ),
        (format!("POST / HTTP/1.1\r\nHost: a\r\n{}", xml(QUERY)), "404", "/kmip"),
        ("POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Length: 10001\r\n\r\n".to_owned(), "413", "10000 bytes"),
        // Four bytes of XML become eight bytes of TTLV.
        (
            format!("POST /kmip HTTP/1.1\r\nHost: a\r\n{}", xml(&format!("<D>{}</D>", "<D/>".repeat(1500)))),
            "413",
            "10000",
        ),
        (format!("POST /kmip HTTP/1.1\r\nHost: a\r\n{}", xml("<RequestMessage>")), "400", "RequestMessage"),
        (format!("POST /kmip HTTP/1.1\r\nHost: a\r\n{}", xml("<Nothing/>")), "400", "Nothing is not a tag"),
    ] {
        let mut client = pki.connect(server.port, &pki.client);
        client.send(request.as_bytes()).unwrap();
        let answer = receive(&mut client).unwrap();
        let body = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status(), status, "{request}");
        assert!(body.contains(text), "{body}");
        assert!(client.is_closed());
    }
}

#[test]
fn answers_chunked_requests() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let mut client = pki.connect(server.port, &pki.client);
    let head =
        "POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
    for size in [1, 100, QUERY.len()] {
        let pieces = QUERY.as_bytes().chunks(size).map(|piece| String::from_utf8(piece.to_vec()).unwrap());
        let chunks: String = pieces.map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
        client.send(format!("{head}{chunks}0\r\nX-Checksum: 1\r\n\r\n").as_bytes()).unwrap();
        let answer = receive(&mut client).unwrap();
        assert_eq!(answer.status(), "200");
        assert!(String::from_utf8(answer.body).unwrap().contains("Success"));
    }
}

#[test]
fn the_response_to_head_has_no_body() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let mut client = pki.connect(server.port, &pki.client);
    client.send(b"HEAD /kmip HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut response = Vec::new();
    client.stream.read_to_end(&mut response).unwrap();
    let response = String::from_utf8(response).unwrap();
    assert!(response.starts_with("HTTP/1.1 405 "), "{response}");
    assert!(response.contains("Content-Length: ") && response.ends_with("\r\n\r\n"), "{response}");
}

#[test]
fn invalid_kmip_message_receives_a_kmip_response() {
    let pki = Pki::new();
    let server = Embedded::real(&pki.config());
    let mut client = pki.connect(server.port, &pki.client);
    let answer = post(&mut client, "text/xml", b"<RequestMessage/>").unwrap();
    assert_eq!(answer.status(), "200");
    assert!(String::from_utf8(answer.body).unwrap().contains("InvalidMessage"));
    assert_eq!(post(&mut client, "text/xml", QUERY.as_bytes()).unwrap().status(), "200");
}
