//! The settings file.

#![no_main]

use std::path::Path;

use kmip_server::internals::settings::Settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(settings) = Settings::from_text(Path::new("server.conf"), text) {
        drop(settings.into_config());
    }
});
