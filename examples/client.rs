//! A client that uses the protocol types of this crate: it creates a key, gets it, encrypts with it and destroys it.
//!
//! `cargo run --example client -- PORT CA.pem CLIENT.pem CLIENT.key`, with a server that listens on 127.0.0.1. For a
//! server that `make run` started, PORT is 5696, and the files are in `target/run/pki`.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use kmip_server::kmip::attributes::{Attribute, AttributeDefinition, TemplateAttribute};
use kmip_server::kmip::enums::{
    BlockCipherMode, CryptographicAlgorithm, CryptographicUsageMask, NameType, ObjectType, Operation,
    PaddingMethod, ResultReason, ResultStatus, RevocationReasonCode,
};
use kmip_server::kmip::structures::{CryptographicParameters, Name, RevocationReason};
use kmip_server::kmip::{Object, RequestHeader};
use kmip_server::ttlv::{Field, Reader, Tag, V1_2, Value, Version, Writer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The protocol version of the client.
const VERSION: Version = V1_2;

/// The maximum length of a response, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, ca, certificate, key] = &arguments[..] else {
        return Err("usage: client PORT CA.pem CLIENT.pem CLIENT.key".into());
    };
    let mut client = Client::connect(port.parse()?, ca, certificate, key)?;

    let id = client.create(256, "the example's key")?;
    println!("created {id}");
    println!("got {:?}", client.get(&id)?);
    client.ask(Operation::Activate, |writer| id.write(Tag::UniqueIdentifier, writer))?;
    println!("encrypted: {:02x?}", client.encrypt(&id, b"a message of no particular length")?);
    client.revoke(&id)?;
    client.ask(Operation::Destroy, |writer| id.write(Tag::UniqueIdentifier, writer))?;
    println!("destroyed {id}");
    Ok(())
}

/// A connection to a server.
struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Client {
    fn connect(port: u16, ca: &str, certificate: &str, key: &str) -> Result<Self, Box<dyn Error>> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(ca)? {
            roots.add(root?)?;
        }
        let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(key)?;
        let config =
            ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key)?;
        let tls = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1")?)?;
        Ok(Self { stream: StreamOwned::new(tls, TcpStream::connect(("127.0.0.1", port))?) })
    }

    /// Creates an AES key of this length in bits. Returns its Unique Identifier.
    fn create(&mut self, bits: i32, name: &str) -> Result<String, Box<dyn Error>> {
        let name = Name { name_value: name.to_owned(), name_type: NameType::UninterpretedTextString };
        let usage = CryptographicUsageMask::ENCRYPT | CryptographicUsageMask::DECRYPT;
        let attributes = TemplateAttribute {
            templates: Vec::new(),
            attributes: vec![
                attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Aes)?,
                attribute(Tag::CryptographicLength, &bits)?,
                attribute(Tag::CryptographicUsageMask, &usage)?,
                attribute(Tag::Name, &name)?,
            ],
        };
        let answer = self.ask(Operation::Create, |writer| {
            ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
            attributes.write(Tag::Attributes, writer);
        })?;
        let mut rows = Reader::new(&answer, VERSION);
        rows.require(Tag::ObjectType)?;
        Ok(Field::read(Tag::UniqueIdentifier, &mut rows)?)
    }

    fn get(&mut self, id: &String) -> Result<Object, Box<dyn Error>> {
        let answer = self.ask(Operation::Get, |writer| id.write(Tag::UniqueIdentifier, writer))?;
        let mut rows = Reader::new(&answer, VERSION);
        rows.require(Tag::ObjectType)?;
        rows.require(Tag::UniqueIdentifier)?;
        Ok(Field::read(Tag::default(), &mut rows)?)
    }

    /// Encrypts in CBC mode with padding and an initialization vector from the server. Returns the ciphertext.
    fn encrypt(&mut self, id: &String, data: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
        let parameters = CryptographicParameters {
            block_cipher_mode: Some(BlockCipherMode::Cbc),
            padding_method: Some(PaddingMethod::Pkcs5),
            random_iv: Some(true),
            ..CryptographicParameters::default()
        };
        let answer = self.ask(Operation::Encrypt, |writer| {
            id.write(Tag::UniqueIdentifier, writer);
            parameters.write(Tag::CryptographicParameters, writer);
            data.to_vec().write(Tag::Data, writer);
        })?;
        let mut rows = Reader::new(&answer, VERSION);
        rows.require(Tag::UniqueIdentifier)?;
        Ok(Field::read(Tag::Data, &mut rows)?)
    }

    fn revoke(&mut self, id: &String) -> Result<(), Box<dyn Error>> {
        let reason = RevocationReason {
            revocation_reason_code: RevocationReasonCode::CessationOfOperation,
            revocation_message: None,
        };
        self.ask(Operation::Revoke, |writer| {
            id.write(Tag::UniqueIdentifier, writer);
            reason.write(Tag::RevocationReason, writer);
        })?;
        Ok(())
    }

    /// Sends a request with one batch item, whose payload `items` writes. Returns the items of the response payload.
    fn ask(
        &mut self,
        operation: Operation,
        items: impl FnOnce(&mut Writer),
    ) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut writer = Writer::new(VERSION);
        writer.structure(Tag::RequestMessage, |writer| {
            RequestHeader::new(VERSION, 1).encode(Tag::RequestHeader, writer);
            writer.structure(Tag::BatchItem, |writer| {
                operation.encode(Tag::Operation, writer);
                writer.structure(Tag::RequestPayload, items);
            });
        });
        self.stream.write_all(&writer.into_bytes())?;
        let answer = self.receive()?;
        let mut rows = Reader::new(&answer, VERSION).require(Tag::ResponseMessage)?.structure()?;
        rows.require(Tag::ResponseHeader)?;
        let mut item = rows.require(Tag::BatchItem)?.structure()?;
        item.take(Tag::Operation)?;
        let status: ResultStatus = Field::read(Tag::ResultStatus, &mut item)?;
        let reason: Option<ResultReason> = Field::read(Tag::ResultReason, &mut item)?;
        let message: Option<String> = Field::read(Tag::ResultMessage, &mut item)?;
        match reason {
            Some(reason) => {
                Err(format!("{operation}: {status}, {reason}: {}", message.unwrap_or_default()).into())
            }
            None => {
                Ok(item.take(Tag::ResponsePayload)?.map(|payload| payload.bytes.to_vec()).unwrap_or_default())
            }
        }
    }

    /// Receives the next message.
    fn receive(&mut self) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut head = [0; 8];
        self.stream.read_exact(&mut head)?;
        let [_, _, _, _, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        if length > LONGEST_ANSWER {
            return Err(format!("an answer of {length} bytes is too long").into());
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok([&head[..], &body].concat())
    }
}

fn attribute(tag: Tag, value: &impl Value) -> Result<Attribute, Box<dyn Error>> {
    let row = AttributeDefinition::of(tag).ok_or("no attribute has that tag")?;
    Ok(Attribute::of(row, value))
}
