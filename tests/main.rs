//! Integration tests, one module per subject.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise; clippy.toml's permissions cover only functions marked as tests"
)]

mod access;
mod asynchronous;
mod attacks;
mod audit;
mod auth;
#[cfg(feature = "certificates")]
mod automatic;
mod backup;
#[cfg(feature = "postgres")]
mod balancer;
mod batches;
mod certify;
mod check;
mod check_client;
mod checksums;
mod compatibility;
mod conformance;
mod constraints;
mod containers;
mod control;
#[cfg(feature = "management")]
mod control_over_http;
mod conventions;
mod corpus;
mod crash;
mod credentials;
#[cfg(feature = "postgres")]
mod database_commands;
#[cfg(feature = "postgres")]
mod database_failover;
mod database_file;
#[cfg(feature = "postgres")]
mod database_network;
#[cfg(feature = "postgres")]
mod database_tls;
mod defaults;
mod delegation;
mod demo;
mod derivation;
mod dialogue;
mod doctor;
mod documented;
mod endpoints;
mod environment;
mod explain;
mod fairness;
mod faults;
mod file_modes;
mod gate;
mod generated;
mod groups;
mod handshakes;
mod harness;
mod history;
mod https;
mod interop;
mod key_formats;
mod key_use;
mod kills;
mod large_objects;
mod legacy_tls;
mod lifecycle;
mod limits;
mod listener;
mod login;
#[cfg(feature = "management")]
mod management;
mod memory;
mod message_memory;
mod mutations;
mod observing;
mod pkcs11;
mod policy;
mod pooler;
mod query;
mod reload;
mod resumption;
#[cfg(feature = "postgres")]
mod round_trips;
mod sealing;
mod searches;
mod secrets;
mod seeds;
mod settings;
#[cfg(feature = "postgres")]
mod shared_batches;
#[cfg(feature = "postgres")]
mod shared_database;
#[cfg(feature = "postgres")]
mod shared_services;
mod shares;
mod soak;
mod split_keys;
mod starts;
#[cfg(feature = "systemd")]
mod systemd;
mod tls;
mod transfer;
mod ttlv_dump;
mod undo;
mod unreadable;
mod validate;
mod versions;
mod wrapping;
