//! The files of a new plugin's crate.

use std::path::{Path, PathBuf};

use hookgate_bundled::{LOCK, SDK, TEMPLATE};

/// The name of the provider in the template.
const PLACEHOLDER: &str = "parcelbird";
/// The same in a sentence.
const PLACEHOLDER_TITLE: &str = "Parcelbird";

/// The folder of the SDK in a crate that has a copy of it.
const COPY: &str = "hookgate";

/// The location of the SDK for a crate.
#[derive(Clone, Copy, Debug)]
pub enum Sdk<'a> {
    /// In itself.
    Copied,
    /// In a checkout of hookgate.
    Checkout(&'a Path),
}

/// A plugin's name, as in `plugin = "NAME"`, and part of the name of its crate.
pub fn plugin_name(text: &str) -> Result<String, String> {
    let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    if begins && !text.ends_with('-') && text.len() <= 64 && text.chars().all(is_good) {
        Ok(text.to_owned())
    } else {
        Err("1 to 64 lower-case letters, digits and dashes; a letter first, no dash at the end".to_owned())
    }
}

/// All files of the crate, with their paths in it.
pub fn files(name: &str, sdk: Sdk<'_>) -> Vec<(PathBuf, String)> {
    let mut files: Vec<(PathBuf, String)> =
        TEMPLATE.iter().map(|(path, text)| (place(path), filled_in(text, name))).collect();
    if let Some((_, manifest)) = files.iter_mut().find(|(path, _)| path == Path::new("Cargo.toml")) {
        *manifest = with_sdk(manifest, sdk);
    }
    files.push((PathBuf::from("Cargo.lock"), LOCK.to_owned()));
    if let Sdk::Copied = sdk {
        files.extend(SDK.iter().map(|(path, text)| (Path::new(COPY).join(path), (*text).to_owned())));
    }
    files
}

/// In the repository, a file of this name would apply to the template itself.
fn place(path: &str) -> PathBuf {
    PathBuf::from(if path == "gitignore" { ".gitignore" } else { path })
}

fn filled_in(text: &str, name: &str) -> String {
    text.replace(PLACEHOLDER_TITLE, &title(name)).replace(PLACEHOLDER, name)
}

/// `acme-pay` as `Acme Pay`.
fn title(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

fn with_sdk(manifest: &str, sdk: Sdk<'_>) -> String {
    match sdk {
        Sdk::Copied => manifest.to_owned(),
        Sdk::Checkout(path) => {
            let path = path.display().to_string().replace('\\', "/");
            manifest.replace("\"hookgate/sdk", &format!("\"{path}/sdk")).replace("exclude = [\"hookgate\"]\n", "")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(files: &'a [(PathBuf, String)], path: &str) -> &'a str {
        let file = files.iter().find(|(of, _)| of == Path::new(path));
        file.map_or_else(|| panic!("there is no {path}"), |(_, text)| text)
    }

    #[test]
    fn names_are_checked() {
        for (name, is_good) in [
            ("acme", true),
            ("acme-pay2", true),
            ("", false),
            ("2acme", false),
            ("acme-", false),
            ("Acme", false),
            ("acme_pay", false),
            ("../acme", false),
        ] {
            assert_eq!(plugin_name(name).is_ok(), is_good, "{name}");
        }
    }

    #[test]
    fn the_name_stands_wherever_the_template_has_its_own() {
        let files = files("acme-pay", Sdk::Copied);
        assert!(text(&files, "Cargo.toml").contains("name = \"hookgate-plugin-acme-pay\""));
        assert!(text(&files, "src/lib.rs").starts_with("//! Acme Pay: "));
        assert!(text(&files, "src/lib.rs").contains("\"acme-pay-signature\""));
        assert!(text(&files, ".gitignore").contains("/target"));
        let own = files.iter().filter(|(path, _)| !path.starts_with(COPY) && path != Path::new("Cargo.lock"));
        for (path, text) in own {
            assert!(!text.to_lowercase().contains(PLACEHOLDER), "{}", path.display());
        }
    }

    #[test]
    fn the_sdk_is_copied_with_all_that_it_stands_on_or_found_in_a_checkout() {
        let copied = files("acme", Sdk::Copied);
        let workspace = text(&copied, "hookgate/Cargo.toml");
        assert!(workspace.contains("\"sdk\"") && !workspace.contains("guest-plugins/stripe"));
        assert!(workspace.contains("[workspace.dependencies]") && !workspace.contains("hookgate-plugin-build"));
        assert!(text(&copied, "hookgate/wit/provider.wit").contains("package hookgate:provider@"));
        assert!(text(&copied, "hookgate/host/capabilities/src/lib.rs").contains("mod "));
        assert!(!text(&copied, "hookgate/sdk/conformance/Cargo.toml").contains("[dev-dependencies]"));

        let checkout = files("acme", Sdk::Checkout(Path::new("/src/hookgate")));
        assert!(text(&checkout, "Cargo.toml").contains("path = \"/src/hookgate/sdk\""));
        assert!(!checkout.iter().any(|(path, _)| path.starts_with(COPY)));
    }

    /// The tutorial shows the files of `hookgate plugin new parcelbird`; here that is the template as it stands.
    #[test]
    fn the_tutorial_shows_the_template() {
        let document = include_str!("../../../../../docs/writing-a-plugin.md");
        let files = files(PLACEHOLDER, Sdk::Copied);
        for path in ["Cargo.toml", "src/lib.rs", "example.json", "vectors/own.json"] {
            assert!(document.contains(text(&files, path)), "docs/writing-a-plugin.md shows another {path}");
        }
    }
}
