//! The password of a database: from the environment variable `PGPASSWORD`, or from a password file of libpq, whose lines are
//! `host:port:database:user:password`.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::private_file;
use crate::secret::Secret;
use crate::store::UrlProblem;

/// Returns the password, or `None` if there is none.
///
/// # Errors
/// Returns an error if the named password file cannot be read, or if other users can read it.
pub(super) fn find(
    file: Option<&Path>,
    hosts: &[(String, u16)],
    database: &str,
    user: &str,
) -> Result<Option<Secret>, UrlProblem> {
    if let Some(password) = env::var_os("PGPASSWORD").filter(|password| !password.is_empty()) {
        return Ok(Some(Secret::new(password.into_encoded_bytes())));
    }
    let is_named = file.is_some();
    let Some(path) = file.map(Path::to_owned).or_else(default_file) else { return Ok(None) };
    let text = match fs::read(&path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(why) if why.kind() == ErrorKind::NotFound && !is_named => return Ok(None),
        Err(why) => return Err(UrlProblem::PasswordFile { path, why: why.to_string() }),
    };
    if let Some(mode) = private_file::exposed(&path) {
        let why = format!("other users can use it, because its mode is {mode:04o}; change the mode to 0600");
        return Err(UrlProblem::PasswordFile { path, why });
    }
    let text = std::str::from_utf8(&text);
    let text = text.map_err(|_| UrlProblem::PasswordFile { path, why: "it is not UTF-8".to_owned() })?;
    let of_host = |(host, port): &(String, u16)| {
        let host = if host.starts_with('/') { "localhost" } else { host };
        let wanted = [host, &port.to_string(), database, user];
        text.lines().find_map(|line| matching(line, wanted))
    };
    Ok(hosts.iter().find_map(of_host))
}

/// Returns the file that libpq reads by default.
fn default_file() -> Option<PathBuf> {
    let named = env::var_os("PGPASSFILE").map(PathBuf::from);
    named.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".pgpass")))
}

/// Returns the password of a line whose first fields are `wanted` or `*`.
fn matching(line: &str, wanted: [&str; 4]) -> Option<Secret> {
    let mut rest = line;
    for wanted in wanted {
        let (field, behind) = field(rest);
        if field.as_str() != wanted && field.as_str() != "*" {
            return None;
        }
        rest = behind?;
    }
    (!line.starts_with('#')).then(|| Secret::new(field(rest).0.as_bytes().to_vec()))
}

/// Returns the field at the start of `text`, and the text behind its colon. A backslash escapes a character.
fn field(text: &str) -> (Zeroizing<String>, Option<&str>) {
    let mut field = Zeroizing::new(String::new());
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            ':' => return (field, text.get(position + 1..)),
            '\\' => field.extend(characters.next().map(|(_, escaped)| escaped)),
            other => field.push(other),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::testing::Folder;

    #[test]
    fn finds_the_first_line_that_matches_in_a_private_file() {
        let folder = Folder::new();
        let path = folder.path("pass");
        let lines = "# a comment\nother:*:*:*:no\nhost:5432:keys:ann:wo\\:rd\\\\\n*:*:*:*:last\n";
        fs::write(&path, lines).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let hosts = |host: &str| vec![(host.to_owned(), 5432)];
        let find = |host, user| super::find(Some(&path), &hosts(host), "keys", user);
        let refused = find("host", "ann").unwrap_err();
        assert!(
            matches!(&refused, UrlProblem::PasswordFile { why, .. } if why.contains("0644")),
            "{refused:?}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(find("host", "ann").unwrap().unwrap().expose(), b"wo:rd\\");
        assert_eq!(find("host", "bob").unwrap().unwrap().expose(), b"last");
        assert!(super::find(Some(&folder.path("none")), &hosts("host"), "keys", "ann").is_err());
    }
}
