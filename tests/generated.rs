//! The documents that are generated from the tables of settings, options and differences from PyKMIP: `server.conf.example`, docs/settings.md,
//! docs/command-line.md, the manual page, and the table of differences in COMPATIBILITY.md. With `KMIP_WRITE_GENERATED=1` (`make generated`) the tests write the files;
//! otherwise they compare them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use kmip_server::internals::compatibility;
use kmip_server::internals::config::Config;
use kmip_server::internals::server::{LEGACY_SUITES, Offered, openssl_name};
use kmip_server::internals::settings::options::{CERTIFICATE_OPTIONS, CommandOption, server_options};
use kmip_server::internals::settings::{
    DefaultValue, OptionForm, SECTIONS, SETTINGS, SectionKind, Setting, variable,
};

/// The width of a comment in the example file.
const WIDTH: usize = 118;

const EXAMPLE_HEAD: &str = "\
# Settings of the server. The server reads /etc/pykmip/server.conf, or the file that the option -f names. The grammar is
# that of Python's configparser: a line with a deeper indentation continues the previous setting, lines that begin with
# # or ; are comments, and %% stands for a percent sign. The server refuses unknown settings of the section [server] and
# ignores other sections, for example [client]. Environment variables override this file, and command line options both.
#
# A setting in a comment, \"# name=value\", shows the default; without a value, the comment states the default.
# `make generated` writes this file from src/settings/table.rs.
";

/// Compares a file of the project with its generated text, or writes it.
pub(crate) fn compare(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("KMIP_WRITE_GENERATED").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let actual = fs::read_to_string(&path).unwrap_or_default();
    assert!(actual == expected, "{name} differs from its tables in the source; run `make generated`");
}

/// Returns the file with the text between its two marker lines replaced.
fn with_part(text: &str, begin: &str, end: &str, part: &str) -> String {
    let from = text.find(begin).unwrap_or_else(|| panic!("no line {begin}")) + begin.len();
    let to = from + text[from..].find(end).unwrap_or_else(|| panic!("no line {end}"));
    format!("{}\n{part}{}", &text[..from], &text[to..])
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// A paragraph, or lines that are shown as they are.
enum Block<'a> {
    Paragraph(String),
    Verbatim(Vec<&'a str>),
}

/// Returns the blocks of a setting's description.
fn blocks<'a>(help: &str, details: &'a str) -> Vec<Block<'a>> {
    let mut blocks = vec![Block::Paragraph(help.to_owned())];
    for line in details.lines() {
        let is_first = blocks.len() == 1;
        match (line.strip_prefix("    "), blocks.last_mut()) {
            (Some(line), Some(Block::Verbatim(lines))) => lines.push(line),
            (Some(line), _) => blocks.push(Block::Verbatim(vec![line])),
            (None, Some(Block::Paragraph(text))) if is_first => {
                text.push(' ');
                text.push_str(line);
            }
            (None, _) => blocks.push(Block::Paragraph(line.to_owned())),
        }
    }
    blocks
}

/// Returns the text in lines of at most [`WIDTH`] characters.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= WIDTH - 2 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn value_of_default(setting: &Setting) -> String {
    setting.kind.show(Config::new("", ""))
}

/// Returns the default as the documents state it.
fn default(setting: &Setting) -> String {
    match setting.default {
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::RequiredInFile => {
            format!("required in a file; otherwise {}", value_of_default(setting))
        }
        DefaultValue::Value => value_of_default(setting),
        DefaultValue::Unset(meaning) => meaning.to_owned(),
    }
}

fn facts(setting: &Setting) -> String {
    let option = match setting.option {
        OptionForm::None => String::new(),
        OptionForm::Long => format!(" Option: --{}.", setting.name),
        OptionForm::Letter(letter) => format!(" Option: -{letter}."),
    };
    format!(
        "Allowed: {}. Default: {}.{option} Variable: {}. Since {}.",
        setting.kind.values(),
        default(setting),
        variable(setting.name),
        setting.since
    )
}

#[test]
fn the_example_shows_every_setting() {
    let mut text = format!("{EXAMPLE_HEAD}\n[server]\n");
    for setting in SETTINGS {
        for block in blocks(setting.help, setting.details) {
            match block {
                Block::Paragraph(paragraph) => {
                    wrap(&paragraph).iter().for_each(|line| writeln!(text, "# {line}").unwrap());
                }
                Block::Verbatim(lines) => {
                    lines.iter().for_each(|line| writeln!(text, "#     {line}").unwrap())
                }
            }
        }
        wrap(&facts(setting)).iter().for_each(|line| writeln!(text, "# {line}").unwrap());
        match setting.example {
            Some(example) => writeln!(text, "{}={example}\n", setting.name).unwrap(),
            None => writeln!(text, "# {}={}\n", setting.name, value_of_default(setting)).unwrap(),
        }
    }
    for section in SECTIONS {
        wrap(&section_help(section)).iter().for_each(|line| writeln!(text, "# {line}").unwrap());
        let comment = if section.is_commented { "# " } else { "" };
        writeln!(text, "{comment}[{}]", section.example).unwrap();
        for (name, value, _) in section.entries {
            writeln!(text, "{comment}{name}={value}").unwrap();
        }
        text.push('\n');
    }
    compare("server.conf.example", &format!("{}\n", text.trim_end()));
}

fn section_help(section: &SectionKind) -> String {
    format!(
        "Each section whose name begins with {}: {} Since {}.",
        section.prefix.trim_end_matches(':'),
        section.help,
        section.since
    )
}

#[test]
fn the_page_of_settings_describes_every_setting() {
    let escaped = |text: &str| text.replace('|', "\\|");
    let mut text =
        "| Setting | Allowed values | Default | Option | Since |\n|---|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let option = match setting.option {
            OptionForm::None => String::new(),
            OptionForm::Long => format!("`--{}`", setting.name),
            OptionForm::Letter(letter) => format!("`-{letter}`"),
        };
        let (name, values, since) = (setting.name, escaped(setting.kind.values()), setting.since);
        writeln!(text, "| [`{name}`](#{name}) | {values} | {} | {option} | {since} |", default(setting))
            .unwrap();
    }
    for setting in SETTINGS {
        writeln!(text, "\n### {}", setting.name).unwrap();
        for block in blocks(setting.help, setting.details) {
            match block {
                Block::Paragraph(paragraph) => {
                    writeln!(text, "\n{}", wrap(&paragraph).join("\n")).unwrap();
                }
                Block::Verbatim(lines) => writeln!(text, "\n    {}", lines.join("\n    ")).unwrap(),
            }
        }
        writeln!(text, "\n{}", wrap(&facts(setting)).join("\n")).unwrap();
    }
    let mut sections = String::new();
    for section in SECTIONS {
        writeln!(sections, "\n### [{}]\n\n{}", section.example, wrap(&section_help(section)).join("\n"))
            .unwrap();
        writeln!(sections, "\n| Entry | Example | Meaning |\n|---|---|---|").unwrap();
        for (name, value, help) in section.entries {
            writeln!(sections, "| `{name}` | `{value}` | {help} |").unwrap();
        }
    }
    let page = "docs/settings.md";
    let settings = with_part(&read(page), "<!-- settings: begin -->", "<!-- settings: end -->", &text);
    let page_text = with_part(&settings, "<!-- sections: begin -->", "<!-- sections: end -->", &sections);
    compare(page, &page_text);
}

/// Returns the option as the documents show it, with `code` around each form.
fn usage(option: &CommandOption, code: fn(&str) -> String, placeholder: fn(&str) -> String) -> String {
    let mut text = String::new();
    if let Some(letter) = option.letter {
        text.push_str(&format!("{}, ", code(&format!("-{letter}"))));
    }
    text.push_str(&code(&format!("--{}", option.name)));
    if let Some(name) = option.argument.placeholder() {
        text.push_str(&format!(" {}", placeholder(name)));
    }
    text
}

#[test]
fn the_page_of_the_command_line_describes_every_option() {
    let table = |options: &mut dyn Iterator<Item = CommandOption>| {
        let mut text = "| Option | Meaning | Since |\n|---|---|---|\n".to_owned();
        for option in options {
            let usage = usage(&option, |form| format!("`{form}`"), |name| format!("`{name}`"));
            writeln!(text, "| {usage} | {} | {} |", option.help, option.since).unwrap();
        }
        text
    };
    let page = "docs/command-line.md";
    let mut text = read(page);
    for (name, table) in [
        ("options", table(&mut server_options())),
        ("certificates", table(&mut CERTIFICATE_OPTIONS.iter().copied())),
    ] {
        let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
        text = with_part(&text, &begin, &end, &table);
    }
    compare(page, &text);
}

/// Escapes text for roff.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[test]
fn the_manual_page_describes_every_option_and_setting() {
    let options = |options: &mut dyn Iterator<Item = CommandOption>| {
        let mut text = String::new();
        for option in options {
            let bold = |form: &str| format!("\\fB{}\\fR", roff(form));
            let usage = usage(&option, bold, |name| format!("\\fI{name}\\fR"));
            writeln!(text, ".TP\n{usage}\n{}", roff(option.help)).unwrap();
        }
        text
    };
    let mut settings = String::new();
    for setting in SETTINGS {
        writeln!(settings, ".TP\n\\fB{}\\fR", roff(setting.name)).unwrap();
        writeln!(settings, "{}\n.br\n{}", roff(setting.help), roff(&facts(setting))).unwrap();
    }
    let page = "packaging/run_server.1";
    let mut text = read(page);
    for (name, part) in [
        ("options", options(&mut server_options())),
        ("certificates", options(&mut CERTIFICATE_OPTIONS.iter().copied())),
        ("settings", settings),
    ] {
        let (begin, end) = (format!(".\\\" {name}: begin"), format!(".\\\" {name}: end"));
        text = with_part(&text, &begin, &end, &part);
    }
    compare(page, &text);
}

#[test]
fn the_page_of_differences_has_a_row_for_every_difference() {
    let escaped = |text: &str| text.replace('|', "\\|");
    let mut text = "| Name | PyKMIP | Standard | Versions | Source |\n|---|---|---|---|---|\n".to_owned();
    for row in compatibility::ROWS {
        let (pykmip, standard, source) = (escaped(row.pykmip), escaped(row.standard), escaped(row.source));
        let ((major, minor), until) = (row.since, row.until);
        let mut versions = format!("{major}.{minor}");
        if until != row.since {
            write!(versions, " to {}.{}", until.0, until.1).unwrap();
        }
        writeln!(text, "| `{}` | {pykmip} | {standard} | {versions} | {source} |", row.name).unwrap();
    }
    let page = "COMPATIBILITY.md";
    compare(page, &with_part(&read(page), "<!-- differences: begin -->", "<!-- differences: end -->", &text));
}

#[test]
fn the_page_about_tls_lists_every_cipher_suite() {
    let mut text = "| Cipher suite | Name in OpenSSL | Offered | By |\n|---|---|---|---|\n".to_owned();
    let legacy = |name: &str| LEGACY_SUITES.iter().find(|suite| suite.name == name);
    for suite in rustls::crypto::aws_lc_rs::default_provider().cipher_suites {
        let name = suite.suite().as_str().unwrap().replace("TLS13_", "TLS_");
        let by = if legacy(&name).is_some() { "rustls, OpenSSL" } else { "rustls" };
        writeln!(text, "| `{name}` | `{}` | default | {by} |", openssl_name(&name)).unwrap();
    }
    for suite in LEGACY_SUITES {
        if text.contains(&format!("`{}`", suite.name)) {
            continue;
        }
        let offered = match suite.offered {
            Offered::Always => "default",
            Offered::OldVersions => "default with 1.0 or 1.1",
            Offered::IfNamed => "if named",
        };
        writeln!(text, "| `{}` | `{}` | {offered} | OpenSSL |", suite.name, openssl_name(suite.name))
            .unwrap();
    }
    let page = "docs/tls.md";
    compare(page, &with_part(&read(page), "<!-- suites: begin -->", "<!-- suites: end -->", &text));
}

#[test]
fn every_default_and_example_in_the_tables_is_allowed() {
    let released = version(env!("CARGO_PKG_VERSION")).unwrap();
    for (at, setting) in SETTINGS.iter().enumerate() {
        assert!(SETTINGS.iter().skip(at + 1).all(|other| other.name != setting.name), "{}", setting.name);
        assert!(setting.help.ends_with('.') && !setting.help.is_empty(), "{}: help", setting.name);
        assert!(version(setting.since).is_some_and(|since| since <= released), "{}: since", setting.name);
        let is_unset = matches!(setting.default, DefaultValue::Unset(_) | DefaultValue::Required);
        assert!(is_unset || !value_of_default(setting).is_empty(), "{}: no default", setting.name);
    }
    let mut names: Vec<_> = server_options().map(|option| option.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), server_options().count(), "an option is declared twice");
}

fn version(text: &str) -> Option<[u32; 3]> {
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    parts?.try_into().ok()
}
