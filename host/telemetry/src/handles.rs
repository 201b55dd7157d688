//! Handles of measures, by the values of their labels.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata};

use super::measures::Measure;

const METADATA: Metadata<'static> = Metadata::new("hookgate", Level::INFO, None);

/// A measure with values for its labels, in their order.
fn key(measure: &Measure, values: &[&str]) -> Key {
    debug_assert_eq!(measure.labels.len(), values.len(), "labels of {}", measure.name);
    debug_assert!(
        measure.words.is_empty() || values.last().is_some_and(|last| measure.words.contains(last)),
        "{values:?} is not among the words of {}",
        measure.name
    );
    let labels = measure.labels.iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(measure.name, labels.collect::<Vec<_>>())
}

/// A counter of a measure.
pub(super) fn counter(measure: &Measure, values: &[&str]) -> Counter {
    metrics::with_recorder(|recorder| recorder.register_counter(&key(measure, values), &METADATA))
}

/// A gauge of a measure.
pub(super) fn gauge(measure: &Measure, values: &[&str]) -> Gauge {
    metrics::with_recorder(|recorder| recorder.register_gauge(&key(measure, values), &METADATA))
}

/// A histogram of a measure.
pub(super) fn histogram(measure: &Measure, values: &[&str]) -> Histogram {
    metrics::with_recorder(|recorder| recorder.register_histogram(&key(measure, values), &METADATA))
}
