//! Similar names for a misspelt one, for error messages.

/// The longest name that is compared, in bytes. Names in settings and policy files have no bound of their own.
const MAX_COMPARED: usize = 64;

/// Returns `; similar: NAME` with the most similar of the known names, or an empty text if no name is similar.
///
/// Ignores case. A name is similar if a third of its letters, or fewer, differ; exchanged neighbours count once.
pub fn similar<T: AsRef<str>>(name: &str, known: impl Iterator<Item = T>) -> String {
    if name.len() > MAX_COMPARED {
        return String::new();
    }
    let name = name.to_lowercase();
    let distance = |known: &T| strsim::osa_distance(&name, &known.as_ref().to_lowercase());
    let nearest = known.map(|known| (distance(&known), known)).min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, known)) if distance * 3 <= name.chars().count() => {
            format!("; similar: {}", known.as_ref())
        }
        _ => String::new(),
    }
}

/// Returns the entry with this name. Case, spaces, hyphens and underscores do not matter, so that the names of other
/// libraries are found, too.
///
/// # Errors
/// Returns what [`similar`] returns if there is none.
pub fn named<T: Copy>(name: &str, all: &[T], name_of: impl Fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().copied().find(|entry| plain(name_of(*entry)) == plain(name));
    found.ok_or_else(|| similar(name, all.iter().map(|entry| name_of(*entry))))
}

/// Returns the letters and digits of a name in lower case.
pub fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::similar;

    #[test]
    fn suggests_names_of_which_a_third_differs_at_most() {
        let known = ["port", "hostname", "GET_ATTRIBUTES"];
        for (name, expected) in [
            ("prot", "; similar: port"),
            ("hostnam", "; similar: hostname"),
            ("get_atributes", "; similar: GET_ATTRIBUTES"),
            ("certificate", ""),
            ("x", ""),
            ("", ""),
        ] {
            assert_eq!(similar(name, known.into_iter()), expected, "{name}");
        }
        assert_eq!(similar(&"port".repeat(1_000), known.into_iter()), "");
        assert_eq!(similar("port", [""; 0].into_iter()), "");
    }
}
