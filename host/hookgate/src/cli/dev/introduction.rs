//! The text that `hookgate dev` prints when it is ready: one screen for a newcomer, and a file for the rest.

use std::{fs, io, path::Path};

use hookgate_gateway::serve::Ready;

use crate::cli::{
    dev::MadeUp,
    output::{self, Table},
    send::quoted,
};

/// Up to this number, all sources have their commands on the screen; otherwise only one has.
const COMMANDS_MAX: usize = 3;
/// Columns of the list of names.
const WIDTH: usize = 96;
/// Lines of the list of names.
const NAME_LINES_MAX: usize = 8;
/// The source of the example, if it exists.
const EXAMPLE: &str = "stripe";

/// The content of the introduction.
pub struct Introduction<'a> {
    pub ready: &'a Ready,
    pub sources: &'a [MadeUp],
    /// Plugins that cannot run with a made-up secret, each with the reason.
    pub left_out: &'a [(String, String)],
    /// The URL for events; none for standard output.
    pub forward: Option<&'a str>,
    /// The directory of further plugins.
    pub directory: Option<&'a Path>,
    /// The file for the commands of all sources.
    pub file: &'a Path,
}

impl Introduction<'_> {
    /// Writes the file, if the screen does not show everything, and then the screen.
    pub fn show(&self) -> io::Result<()> {
        if self.is_long() {
            fs::write(self.file, self.everything())?;
        }
        output::line(self.screen())
    }

    fn is_long(&self) -> bool {
        self.sources.len() > COMMANDS_MAX || !self.left_out.is_empty()
    }

    fn screen(&self) -> String {
        let Introduction { ready, sources, left_out, forward, .. } = self;
        let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        let mut text = format!("{} at {}/in/NAME:\n\n", count(sources.len(), "source"), ready.deliveries);
        text += &listed(&names);
        text += "\nSend a signed delivery:\n\n";
        let example = sources.iter().find(|source| source.name == EXAMPLE).or(sources.first());
        let shown = if sources.len() > COMMANDS_MAX { example.into_iter().collect() } else { self.all() };
        for source in shown {
            text += &format!("  {}\n", self.command(source));
        }
        if self.is_long() {
            text += &format!("\nAll commands and secrets:\n\n  cat {}\n", quoted(&self.file.display().to_string()));
        }
        if !left_out.is_empty() {
            let names: Vec<&str> = left_out.iter().map(|(name, _)| name.as_str()).collect();
            text += &format!("\nLeft out, for the reasons in that file:\n\n{}", listed(&names));
        }
        let to = forward.unwrap_or("standard output");
        text += &format!("\nEvents go to {to}. Look in with: hookgate events list --admin {}\n", ready.admin);
        text + &format!("ready deliveries={} admin={}", ready.deliveries, ready.admin)
    }

    fn all(&self) -> Vec<&MadeUp> {
        self.sources.iter().collect()
    }

    /// Every source with its secrets and its command, and why the others were left out.
    fn everything(&self) -> String {
        let mut table = Table::new(["SOURCE", "URL", "SECRET"]);
        for source in self.sources {
            let secrets: Vec<String> = match &source.keys.configured[..] {
                [(_, secret)] => vec![secret.clone()],
                several => several.iter().map(|(name, secret)| format!("{name}={secret}")).collect(),
            };
            table.row([source.name.clone(), self.url(source), secrets.join(" ")]);
        }
        let commands = self.sources.iter().map(|source| self.command(source) + "\n").collect::<String>();
        let left_out = self.left_out.iter().map(|(name, reason)| format!("left out: {name}: {reason}\n"));
        format!("{table}\n\n{commands}\n{}", left_out.collect::<String>())
    }

    fn url(&self, source: &MadeUp) -> String {
        format!("{}/in/{}", self.ready.deliveries, source.name)
    }

    fn command(&self, source: &MadeUp) -> String {
        let secrets: Vec<String> = match &source.keys.signing[..] {
            [(_, secret)] => vec![format!("--secret {}", quoted(secret))],
            several => several
                .iter()
                .map(|(name, secret)| format!("--secret-name {}", quoted(&format!("{name}={secret}"))))
                .collect(),
        };
        let directory = self.directory.map(|path| format!("--directory {} ", quoted(&path.display().to_string())));
        let (directory, secrets) = (directory.unwrap_or_default(), secrets.join(" "));
        format!("hookgate send {} {directory}{secrets} {}", source.name, self.url(source))
    }
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Names in lines, as many as fit.
fn listed(names: &[&str]) -> String {
    let mut lines = vec![String::new()];
    for (at, name) in names.iter().enumerate() {
        let is_full = lines.last().is_some_and(|line| line.len() + name.len() + "  ".len() > WIDTH);
        if is_full && lines.len() == NAME_LINES_MAX {
            lines.push(format!("  and {} more", names.len() - at));
            break;
        }
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str("  ");
            line.push_str(name);
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_fill_lines_and_those_beyond_the_last_are_counted() {
        assert_eq!(listed(&["a", "b"]), "  a  b\n");
        let long = "x".repeat(20);
        let names = vec![long.as_str(); 200];
        let text = listed(&names);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), NAME_LINES_MAX + 1);
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{text}");
        let shown = text.matches(&long).count();
        assert_eq!(*lines.last().unwrap(), format!("  and {} more", names.len() - shown));
    }
}
