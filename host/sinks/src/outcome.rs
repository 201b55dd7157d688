//! What became of one attempt.

use std::time::Duration;

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// Whether the destination has it.
    pub result: Result<(), Failure>,
}

/// Why the destination does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words, for the history.
    pub error: String,
    /// What to do about it.
    pub advice: Advice,
    /// How the destination does.
    pub health: Health,
}

/// What an attempt tells of the destination itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// It is away, overloaded or broken.
    Unwell,
    /// Nothing: it was not asked.
    Unknown,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Try again, as the policy says, but not before that long has passed.
    Retry(Option<Duration>),
    /// The same, and not soon: the destination has more than it can take.
    RetryLater(Option<Duration>),
    /// Never try again.
    GiveUp,
}

impl Outcome {
    /// The destination has it.
    pub fn delivered(status: Option<u16>) -> Outcome {
        Outcome { status, result: Ok(()) }
    }

    /// The destination could not be reached, or broke off.
    pub fn unreachable(error: String) -> Outcome {
        let failure = Failure { error, advice: Advice::Retry(None), health: Health::Unwell };
        Outcome { status: None, result: Err(failure) }
    }

    /// The destination was reached, or not, and gave no answer in time: it may have it, or be busy with it.
    pub fn timed_out(error: String) -> Outcome {
        let failure = Failure { error, advice: Advice::RetryLater(None), health: Health::Unwell };
        Outcome { status: None, result: Err(failure) }
    }

    /// This event can never be delivered, whatever the destination does.
    pub fn undeliverable(error: String) -> Outcome {
        let failure = Failure { error, advice: Advice::GiveUp, health: Health::Unknown };
        Outcome { status: None, result: Err(failure) }
    }

    /// What the attempt tells of the destination.
    pub fn health(&self) -> Health {
        self.result.as_ref().map_or_else(|failure| failure.health, |()| Health::Well)
    }
}
