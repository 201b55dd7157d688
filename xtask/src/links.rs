//! A test of the documentation: every relative link leads to a file, and every anchor to a heading.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::chore;

/// Folders with documents of others, or with build output.
const SKIPPED: [&str; 4] = ["target", "node_modules", ".git", ".ci"];

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !SKIPPED.contains(&name) {
                documents(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<&str> {
    let after = prose(text).flat_map(|line| line.split("](").skip(1));
    after.filter_map(|rest| Some(rest.split_once(')')?.0)).collect()
}

/// The anchors that GitHub makes of the headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter_map(|line| line.strip_prefix('#'));
    headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What is wrong with a link of a document; nothing if it leads out of the project.
fn mistake(document: &Path, text: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, fragment) = link.split_once('#').map_or((link, None), |(file, fragment)| (file, Some(fragment)));
    let target = document.parent().unwrap_or(Path::new("")).join(file);
    if !file.is_empty() && !target.exists() {
        return Some(format!("{link}: there is no such file"));
    }
    let there = if file.is_empty() { text.to_owned() } else { fs::read_to_string(&target).unwrap_or_default() };
    let is_missing = fragment.is_some_and(|fragment| !anchors(&there).iter().any(|anchor| anchor == fragment));
    is_missing.then(|| format!("{link}: there is no such heading"))
}

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let mut all = Vec::new();
    documents(&chore::workspace(), &mut all);
    let mut mistakes = Vec::new();
    for document in &all {
        let text = fs::read_to_string(document).expect("a document");
        let wrong = links(&text).into_iter().filter_map(|link| mistake(document, &text, link));
        mistakes.extend(wrong.map(|mistake| format!("{}: {mistake}", document.display())));
    }
    assert!(all.len() > 20 && mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn anchors_are_those_of_github() {
    assert_eq!(anchor("3. Rules that `never` bend"), "3-rules-that-never-bend");
    assert_eq!(links("see [a](b.md#c), [d](https://e)\n```\n[f](g)\n```"), ["b.md#c", "https://e"]);
}
