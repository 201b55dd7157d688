//! What operators learn about events with an ordering key: every event is counted, and unusual ones are logged.

use std::{collections::BTreeMap, sync::Arc};

use hookgate_model::event::EventId;
use hookgate_telemetry::metrics::{ordering_ahead, ordering_released};

use super::Cause;

/// What became of an event.
#[derive(Clone, Debug)]
pub struct OrderingNotice {
    source: Arc<str>,
    event: EventId,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// It was released; the number counts those before it that have not come.
    Released(Cause, u64),
    /// Its time lies too far ahead.
    Ahead,
}

impl OrderingNotice {
    /// It was released, for that cause; `missing` numbers before it have not come.
    pub fn released(source: &Arc<str>, event: EventId, cause: Cause, missing: u64) -> OrderingNotice {
        OrderingNotice { source: source.clone(), event, what: What::Released(cause, missing) }
    }

    /// Its time lies too far ahead, and that of its receipt stands in.
    pub fn ahead(source: &Arc<str>, event: EventId) -> OrderingNotice {
        OrderingNotice { source: source.clone(), event, what: What::Ahead }
    }

    fn log(&self) {
        let OrderingNotice { source, event, what } = self;
        let source: &str = source;
        match *what {
            What::Released(Cause::Late, _) => tracing::info!(source, %event, "an event came after its turn"),
            What::Released(Cause::Overflow, _) => {
                tracing::warn!(source, %event, "an event goes before its time: too many are held");
            }
            What::Released(Cause::Restart, missing) => {
                tracing::info!(source, %event, missing, "a numbering began anew; what was held goes first");
            }
            What::Released(_, missing) if missing > 0 => {
                tracing::warn!(source, %event, missing, "an event goes on although numbers before it did not come in time");
            }
            What::Ahead => {
                tracing::warn!(source, %event, "an event's time lies too far ahead: the time of its receipt stands in");
            }
            What::Released(..) => {}
        }
    }
}

/// Counts and logs what has become durable.
pub fn report(notices: &[OrderingNotice]) {
    let mut released: BTreeMap<(&str, Cause), u64> = BTreeMap::new();
    for notice in notices {
        match notice.what {
            What::Released(cause, _) => *released.entry((&notice.source, cause)).or_default() += 1,
            What::Ahead => ordering_ahead(&notice.source).increment(1),
        }
        notice.log();
    }
    for ((source, cause), count) in released {
        ordering_released(source, cause.word()).increment(count);
    }
}
