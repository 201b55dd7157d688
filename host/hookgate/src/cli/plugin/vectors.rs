//! Conformance vectors, run in the sandbox and reported.

use std::fmt;

use hookgate_conformance::{Difference, side_by_side};
use hookgate_model::human::printable;
use hookgate_sandbox::{
    Plugin,
    vectors::{self, Named},
};
use serde::Serialize;

/// The result of a vector.
#[derive(Serialize)]
pub struct Ran {
    pub id: String,
    /// Its description.
    pub note: Option<String>,
    pub ok: bool,
    /// The differences; empty if it is ok.
    pub differences: Vec<Difference>,
}

/// The results of all vectors.
#[derive(Serialize)]
pub struct Report {
    pub plugin: String,
    pub hash: String,
    pub passed: usize,
    pub failed: usize,
    pub vectors: Vec<Ran>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

/// How long `verify` takes, in microseconds, a fresh sandbox included.
#[derive(Serialize)]
pub struct Timing {
    pub vector: String,
    pub calls: usize,
    pub median_us: u64,
    pub p99_us: u64,
}

impl Report {
    /// Whether there are vectors and all have passed.
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// Runs vectors, and calls `ended` with each result. `set` are settings for vectors that do not set them themselves.
pub async fn run_all(
    plugin: &Plugin,
    vectors: Vec<Named>,
    set: &[(String, String)],
    mut ended: impl FnMut(&Ran) -> std::io::Result<()>,
) -> std::io::Result<Report> {
    let mut all = Vec::new();
    for vector in vectors {
        let ran = run(plugin, vector, set).await;
        ended(&ran)?;
        all.push(ran);
    }
    let failed = all.iter().filter(|ran| !ran.ok).count();
    let (name, hash) = (plugin.descriptor().name.clone(), plugin.hash().to_owned());
    Ok(Report { plugin: name, hash, passed: all.len() - failed, failed, vectors: all, timing: None })
}

async fn run(plugin: &Plugin, (id, vector): Named, set: &[(String, String)]) -> Ran {
    let note = vector.as_ref().ok().and_then(|vector| vector.note.clone());
    let differences = match vector {
        Ok(vector) => vectors::differences(plugin, vector, set).await,
        Err(error) => vec![Difference::new("vector", "one, see docs/writing-a-plugin.md", error)],
    };
    Ran { id, note, ok: differences.is_empty(), differences }
}

/// The time that the plugin takes to verify the first valid vector; none if there is none, or it cannot be measured.
pub async fn timing(plugin: &Plugin, vectors: &[Named], set: &[(String, String)]) -> Option<Timing> {
    let good = vectors.iter().filter_map(|(id, vector)| Some((id, vector.as_ref().ok()?)));
    let (id, vector) = good.into_iter().find(|(_, vector)| vector.valid)?;
    let durations = vectors::durations(plugin, vector, set).await?;
    let at = |share: f64| {
        let duration = durations.get((share * durations.len().saturating_sub(1) as f64) as usize)?;
        u64::try_from(duration.as_micros()).ok()
    };
    Some(Timing { vector: id.clone(), calls: durations.len(), median_us: at(0.5)?, p99_us: at(0.99)? })
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ok {
            return write!(f, "ok {}", printable(&self.id));
        }
        write!(f, "FAIL {}", printable(&self.id))?;
        if let Some(note) = &self.note {
            write!(f, "  {}", printable(note))?;
        }
        for line in side_by_side(&self.differences).lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.plugin;
        if self.vectors.is_empty() {
            write!(
                f,
                "{name}: there are no vectors of it; name a file with --vectors and what they call the provider with \
                 --provider, or build the plugin with some"
            )?;
        } else {
            write!(f, "{name}: {} passed, {} failed", self.passed, self.failed)?;
        }
        if let Some(Timing { vector, calls, median_us, p99_us }) = &self.timing {
            let vector = printable(vector);
            write!(f, "\nverify of {vector}: {median_us} µs, 99 of 100 below {p99_us} µs ({calls} calls)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_vector_is_reported_field_by_field() {
        let differences = vec![Difference::new("event 0 id", "\"a\"", "\"b\"")];
        let ran = Ran { id: "x-01".to_owned(), note: Some("An event.".to_owned()), ok: false, differences };
        let report = "FAIL x-01  An event.\n  FIELD       EXPECTED  ACTUAL\n  event 0 id  \"a\"       \"b\"";
        assert_eq!(ran.to_string(), report);
    }
}
