//! Logs, on standard error.

use std::io::{self, IsTerminal};

use hookgate_config::{Log, LogFormat};
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, Registry, fmt::MakeWriter, layer::SubscriberExt, reload};

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error(
        "{0:?} is not a log filter ({1}); write a level (error, warn, info, debug, trace), or as in \"hookgate=debug,info\""
    )]
    Filter(String, String),
    /// Something else in this process has set up logs before.
    #[error("logs are set up already")]
    Twice,
}

/// The running logs; their filter can be changed.
#[derive(Clone)]
pub struct Logs {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Logs {
    /// Sends all that is logged from now on to standard error.
    pub fn start(log: &Log) -> Result<Logs, LogError> {
        let (subscriber, logs) = subscriber(log, io::stderr, io::stderr().is_terminal())?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
        Ok(logs)
    }

    /// Takes another filter, as when the configuration is read again. The format stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        let parsed = parse_filter(filter)?;
        self.filter.reload(parsed).map_err(|error| LogError::Filter(filter.to_owned(), error.to_string()))
    }
}

/// A filter as `log.filter` has it.
pub fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder().parse(filter).map_err(|error| LogError::Filter(filter.to_owned(), error.to_string()))
}

fn subscriber<W>(log: &Log, writer: W, colours: bool) -> Result<(Box<dyn Subscriber + Send + Sync>, Logs), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse_filter(&log.filter)?);
    let filtered = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let subscriber: Box<dyn Subscriber + Send + Sync> = match log.format {
        LogFormat::Text => Box::new(filtered.with(lines.with_ansi(colours))),
        LogFormat::Json => Box::new(filtered.with(lines.json().flatten_event(true).with_span_list(false))),
    };
    Ok((subscriber, Logs { filter: handle }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `work` runs.
    fn written(filter: &str, format: LogFormat, work: impl FnOnce(&Logs)) -> String {
        let written = Written::default();
        let made = written.clone();
        let log = Log { filter: filter.to_owned(), format };
        let (subscriber, logs) = subscriber(&log, move || made.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || work(&logs));
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_its_fields() {
        let text = written("info", LogFormat::Json, |_| tracing::info!(source = "stripe", trace = "abc", "admitted"));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["source"], &line["trace"], &line["message"]),
            (&"stripe".into(), &"abc".into(), &"admitted".into())
        );
    }

    #[test]
    fn text_is_a_line_without_colours_where_no_terminal_is() {
        let text = written("info", LogFormat::Text, |_| tracing::warn!(source = "stripe", "refused"));
        assert!(text.ends_with(" refused source=\"stripe\"\n") && text.contains("WARN"), "{text:?}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn the_filter_filters_and_can_be_changed() {
        let text = written("warn", LogFormat::Text, |logs| {
            tracing::info!("before");
            logs.set_filter("info").unwrap();
            tracing::info!("after");
            logs.set_filter("no=such=level").unwrap_err();
            tracing::info!("still");
        });
        assert!(!text.contains("before") && text.contains("after") && text.contains("still"), "{text}");
    }

    #[test]
    fn a_wrong_filter_is_told_with_what_to_write() {
        let told = parse_filter("hookgate=loud").unwrap_err().to_string();
        assert!(
            told.contains("\"hookgate=loud\" is not a log filter") && told.contains("hookgate=debug,info"),
            "{told}"
        );
    }
}
