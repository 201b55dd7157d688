//! `hookgate filter`

use std::{io::Read, path::Path};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use hookgate_filter as filter;
use hookgate_filter::{Json, Matcher, Mistake, why_not};
use hookgate_model::{human::printable, limits::FILTER_FILE_BYTES_MAX};
use serde_json::json;

use super::{Exit, Usage, output};

/// Try the filters of routes
#[derive(Debug, Subcommand)]
pub enum Filter {
    Test(Test),
}

/// Check whether an event pattern matches an event, and if not, why
///
/// The pattern is JSON, as in `filter` of a [[route]]. The event is a CloudEvent as a destination of the format
/// `structured` receives it, and as `jsonl` destinations write it. Each of them is a file, `-` for standard input, or the
/// JSON itself.
///
///   hookgate filter test '{"type": [{"prefix": "com.stripe.invoice."}]}' event.json
///   hookgate filter test '{"data": {"amount": [{"numeric": [">", 1000]}]}}' '{"data": {"amount": 5}}'
///   tail -n 1 audit.jsonl | hookgate filter test pattern.json -
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    after_help = "Exit status: 0 it matches, 1 it does not, 2 the pattern or the event is wrong."
)]
pub struct Test {
    /// An event pattern: a file, `-`, or JSON
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// An event: a file, `-`, or JSON
    #[arg(value_name = "EVENT")]
    event: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Filter {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit> {
        match self {
            Filter::Test(test) => test.run(),
        }
    }
}

impl Test {
    fn run(&self) -> Result<Exit> {
        if self.pattern == "-" && self.event == "-" {
            return Err(Usage("only one of pattern and event can be standard input".to_owned()).into());
        }
        let pattern = read(&self.pattern).map_err(usage("the pattern"))?;
        let event = read(&self.event).map_err(usage("the event"))?;
        let pattern = filter::parse_text(&pattern).map_err(|mistakes| Usage(report(&mistakes)))?;
        let document = Json::parse(&event).map_err(|error| Usage(format!("the event is {error}")))?;
        let matched = Matcher::new([(0, &pattern)]).matching_document(&event);
        let matched = matched.ok_or_else(|| Usage("the event is not a JSON object".to_owned()))?;
        let why = if matched.is_empty() { why_not(&pattern, &document) } else { Vec::new() };
        self.print(&why)?;
        Ok(if matched.is_empty() { Exit::Failed } else { Exit::Ok })
    }

    /// Nothing to explain means that it matches.
    fn print(&self, why: &[String]) -> Result<()> {
        if self.json {
            output::json(&json!({ "match": why.is_empty(), "why": why }))?;
        } else if why.is_empty() {
            output::line("match")?;
        } else {
            output::line("no match")?;
            why.iter().try_for_each(|line| output::line(format_args!("  {}", printable(line))))?;
        }
        Ok(())
    }
}

/// The text that an argument means.
fn read(argument: &str) -> Result<String> {
    let mut text = String::new();
    if argument == "-" {
        std::io::stdin().take(FILTER_FILE_BYTES_MAX).read_to_string(&mut text).context("standard input")?;
    } else if argument.trim_start().starts_with(['{', '[']) {
        argument.clone_into(&mut text);
    } else {
        let file = std::fs::File::open(Path::new(argument)).with_context(|| argument.to_owned())?;
        file.take(FILTER_FILE_BYTES_MAX).read_to_string(&mut text).with_context(|| argument.to_owned())?;
    }
    Ok(text)
}

fn usage(what: &'static str) -> impl Fn(anyhow::Error) -> Usage {
    move |error| Usage(format!("{what} cannot be read: {error:#}; name a file, -, or write JSON"))
}

fn report(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect();
    format!("the pattern is wrong:{}", lines.concat())
}
