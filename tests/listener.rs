//! A client endpoint: a listener that receives the requests of the server and responds as the test requires.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use kmip_server::internals::clock::Clock;
use kmip_server::internals::config::ClientEndpoint;
use kmip_server::kmip::enums::{Operation, ResultReason, ResultStatus};
use kmip_server::kmip::structures::ProtocolVersion;
use kmip_server::kmip::{RequestHeader, RequestItem, ResponseHeader};
use kmip_server::ttlv::{Field, ItemType, Reader, Tag, V1_0, Value, Version, Writer, read_frame};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::{Credential, PATIENCE, Pki, trust};

/// Returns the response to a request, or `None` to close the connection.
pub(crate) type Answer = dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync;

/// A listener on a free port, which ends when dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Starts a listener with this certificate that accepts only the server of `pki`.
    pub(crate) fn start(
        pki: &Pki,
        credential: &Credential,
        answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let config = Arc::new(config(&pki.server.certificate, credential));
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut listener = Self {
            address: socket.local_addr().unwrap(),
            accepted: Arc::default(),
            stopping: Arc::default(),
            sockets: Arc::default(),
            thread: None,
        };
        let (accepted, stopping, sockets) =
            (Arc::clone(&listener.accepted), Arc::clone(&listener.stopping), Arc::clone(&listener.sockets));
        let answer: Arc<Answer> = Arc::new(answer);
        let accept = move || {
            for stream in socket.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                accepted.fetch_add(1, Ordering::SeqCst);
                sockets.lock().unwrap().push(stream.try_clone().unwrap());
                let (config, answer) = (Arc::clone(&config), Arc::clone(&answer));
                thread::spawn(move || serve(stream, config, &*answer));
            }
        };
        listener.thread = Some(thread::spawn(accept));
        listener
    }

    /// Returns the entry of `client_endpoints` for this listener.
    pub(crate) fn endpoint(&self, user: &str) -> ClientEndpoint {
        endpoint(user, self.address.port())
    }

    /// Returns the number of connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.sockets.lock().unwrap().iter().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
    }
}

/// Returns an endpoint on this machine.
pub(crate) fn endpoint(user: &str, port: u16) -> ClientEndpoint {
    ClientEndpoint { user: user.to_owned(), host: "127.0.0.1".to_owned(), port }
}

fn config(server: &CertificateDer<'static>, credential: &Credential) -> ServerConfig {
    let key = aws_lc_rs::sign::any_supported_type(&credential.key_der()).unwrap();
    let certified = CertifiedKey::new(vec![credential.certificate.clone()], key);
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(trust::Only(server.clone())))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>, answer: &Answer) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
    let mut request = Vec::new();
    while read_frame(&mut stream, &mut request, 1 << 20).is_ok() {
        let Some(response) = answer(&request) else { break };
        if stream.write_all(&response).and_then(|()| stream.flush()).is_err() {
            break;
        }
    }
    stream.conn.send_close_notify();
    drop(stream.flush());
    drop(stream.sock.shutdown(Shutdown::Write));
    drop(stream.sock.read(&mut [0; 64]));
}

/// A request that the server sent.
#[derive(Clone, Debug)]
pub(crate) struct ServerRequest {
    pub(crate) version: Version,
    pub(crate) operation: Operation,
    /// The contents of the Request Payload.
    pub(crate) payload: Vec<u8>,
}

impl ServerRequest {
    pub(crate) fn read(request: &[u8]) -> Self {
        let mut outer = Reader::new(request, V1_0);
        let mut rows = outer.require(Tag::RequestMessage).unwrap().structure().unwrap();
        outer.finish().unwrap();
        let header = rows.require(Tag::RequestHeader).unwrap();
        let version: ProtocolVersion =
            Field::read(Tag::ProtocolVersion, &mut header.structure().unwrap()).unwrap();
        let version = Version::from(version);
        let header = RequestHeader::decode(&header.in_version(version)).unwrap();
        assert_eq!((header.batch_count, header.maximum_response_size), (1, None));
        rows.set_version(version);
        let item = RequestItem::read(&mut rows).unwrap();
        rows.finish().unwrap();
        let operation = Operation::from_wire(item.operation).unwrap();
        Self { version, operation, payload: item.payload.bytes.to_vec() }
    }

    /// Decodes the payload.
    pub(crate) fn payload<T: Value>(&self) -> T {
        let mut writer = Writer::new(self.version);
        writer.item(Tag::RequestPayload, ItemType::Structure, &self.payload);
        let bytes = writer.into_bytes();
        let item = Reader::new(&bytes, self.version).require(Tag::RequestPayload).unwrap();
        T::decode(&item).unwrap()
    }

    /// Returns a response with status Success and an empty payload.
    pub(crate) fn done(&self) -> Vec<u8> {
        self.answer(None, |_| ())
    }

    /// Returns a response with status Operation Failed.
    pub(crate) fn refused(&self, reason: ResultReason) -> Vec<u8> {
        self.answer(Some(reason), |_| ())
    }

    /// Returns a response with this payload; it reports a failure if there is a `reason`.
    pub(crate) fn answer(&self, reason: Option<ResultReason>, payload: impl Fn(&mut Writer)) -> Vec<u8> {
        let header = ResponseHeader {
            protocol_version: self.version.into(),
            time_stamp: Clock::system().now(),
            nonce: None,
            server_hashed_password: None,
            attestation_types: Vec::new(),
            client_correlation_value: None,
            server_correlation_value: None,
            batch_count: 1,
        };
        let mut writer = Writer::new(self.version);
        writer.structure(Tag::ResponseMessage, |writer| {
            header.encode(Tag::ResponseHeader, writer);
            writer.structure(Tag::BatchItem, |writer| {
                self.operation.encode(Tag::Operation, writer);
                match reason {
                    None => ResultStatus::Success.encode(Tag::ResultStatus, writer),
                    Some(reason) => {
                        ResultStatus::OperationFailed.encode(Tag::ResultStatus, writer);
                        reason.encode(Tag::ResultReason, writer);
                    }
                }
                writer.structure(Tag::ResponsePayload, &payload);
            });
        });
        writer.into_bytes()
    }
}
