//! `pykmip-server` beside this program: pip replaces it without a word when it installs PyKMIP later.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The name by which PyKMIP's package installs its server.
const NAME: &str = "pykmip-server";

/// Returns a warning if the file of that name beside this program is a script, as Python's packages install it.
pub(crate) fn warning() -> Option<String> {
    let path = env::current_exe().ok()?.with_file_name(NAME);
    is_script(&path).then(|| {
        format!(
            "{} is a script of another package, such as PyKMIP, and starts the server of that package. Start run_server, or install \
             this package again: pip install --force-reinstall --no-deps kmip-server",
            path.display()
        )
    })
}

fn is_script(path: &Path) -> bool {
    let mut begin = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && &begin == b"#!"
}
