//! The configuration of a gateway under test, as an operator would write it.

use std::{collections::BTreeMap, path::Path};

use crate::receiver::{Receiver, WEBHOOK_SECRET};

/// What most sources of the tests are signed with.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV-a-secret-nobody-logs";

/// A configuration in the making.
#[derive(Clone, Debug)]
pub struct Config {
    sections: BTreeMap<&'static str, Vec<String>>,
    entries: String,
}

impl Default for Config {
    fn default() -> Self {
        Config::new()
    }
}

impl Config {
    /// Free ports, a store in the gateway's own directory, destinations on loopback allowed.
    pub fn new() -> Config {
        let config = Config { sections: BTreeMap::new(), entries: String::new() };
        config
            .with("server", "listen = \"127.0.0.1:0\"")
            .with("admin", "listen = \"127.0.0.1:0\"")
            .with("store", "path = \"data\"")
            .with("egress", "allow = [\"127.0.0.0/8\"]")
            .with("log", "filter = \"hookgate=debug,info\"")
    }

    /// With a line in a section; it takes the place of one with the same key.
    pub fn with(mut self, section: &'static str, line: &str) -> Config {
        let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let lines = self.sections.entry(section).or_default();
        lines.retain(|known| key(known) != key(line));
        lines.push(line.to_owned());
        self
    }

    /// With entries as they stand: `[[source]]`, `[[destination]]`, `[[route]]`.
    pub fn entry(mut self, text: &str) -> Config {
        self.entries.push_str(text);
        self.entries.push('\n');
        self
    }

    /// With a source; `lines` are its further keys.
    pub fn source(self, name: &str, plugin: &str, lines: &str) -> Config {
        self.entry(&format!("[[source]]\nname = \"{name}\"\nplugin = \"{plugin}\"\n{lines}\n"))
    }

    /// With a Stripe source that takes [`SECRET`].
    pub fn stripe(self, name: &str) -> Config {
        self.source(name, "stripe", &format!("secrets.signing = {{ value = \"{SECRET}\" }}"))
    }

    /// With a destination; `lines` are its keys.
    pub fn destination(self, name: &str, lines: &str) -> Config {
        self.entry(&format!("[[destination]]\nname = \"{name}\"\n{lines}\n"))
    }

    /// With a route.
    pub fn route(self, from: &str, to: &str) -> Config {
        self.entry(&format!("[[route]]\nfrom = \"{from}\"\nto = \"{to}\"\n"))
    }

    /// With a destination for everything: the receiver, signed, tried again soon.
    pub fn receiver(self, receiver: &Receiver) -> Config {
        let url = receiver.url();
        self.destination(
            "receiver",
            &format!(
                "http = {{ url = \"{url}\", secret = {{ value = \"{WEBHOOK_SECRET}\" }} }}\n\
                 retry = {{ attempts = 50, first = \"20ms\", max = \"200ms\" }}"
            ),
        )
        .route("*", "receiver")
    }

    /// The text, with compiled plugins kept where all tests share them.
    pub fn text(&self, artifacts: &Path) -> String {
        let mut sections = self.sections.clone();
        sections.entry("plugins").or_default().push(format!("cache = {:?}", artifacts.display().to_string()));
        let mut text = String::new();
        for (name, lines) in sections {
            text.push_str(&format!("[{name}]\n{}\n\n", lines.join("\n")));
        }
        text + &self.entries
    }
}
