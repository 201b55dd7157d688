//! Open files: how many the process may have, and how many of them connections from providers may take.
//!
//! A connection costs nothing to open and takes a descriptor. If all were given to senders, the store could not open its
//! files and the gateway could not connect to destinations.

use std::sync::Arc;

use hookgate_config::Destination;
use hookgate_model::limits;

/// Raises the process's soft limit of open files to the hard one, and returns the limit in force. `None` if there is no
/// limit, or no way to ask.
pub fn raise_limit() -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let before = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
        // Where that is not allowed the soft limit stays.
        if raised.is_ok() { before.maximum } else { before.current }
    }
    #[cfg(not(unix))]
    None
}

/// The number of connections from providers that the limit of open files leaves room for, at most `configured`. Warns if it
/// is lower than that.
pub fn connections(configured: usize, destinations: &[Arc<Destination>], limit: Option<u64>) -> usize {
    let attempts = destinations.iter().map(|destination| destination.concurrency).sum();
    let Some((room, needed)) = limit.and_then(|limit| too_few(limit, configured, attempts)) else { return configured };
    tracing::warn!(
        "server.connections = {configured} does not fit into the limit of open files, {}: {room} connections are taken \
         at once. Raise the hard limit to {needed} (`ulimit -Hn`, LimitNOFILE in systemd, nofile in a container), or \
         lower server.connections",
        limit.unwrap_or_default()
    );
    room
}

/// The connections that fit, and the limit that `configured` would need; `None` if all fit.
fn too_few(limit: u64, configured: usize, attempts: usize) -> Option<(usize, u64)> {
    let reserved = (limits::ADMIN_CONNECTIONS + attempts) as u64 + limits::DESCRIPTORS_RESERVED;
    let needed = reserved + configured as u64;
    // Deliveries get some connections even if the limit does not cover the reserve.
    let room = limit.saturating_sub(reserved).max(limit / 8).max(1);
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    (room < configured).then_some((room, needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_everything_else() {
        assert_eq!(too_few(1 << 20, 4_096, 160), None);
        let (room, needed) = too_few(1_024, 4_096, 160).unwrap();
        assert_eq!(room, 1_024 - 256 - 128 - 160);
        assert_eq!(too_few(needed, 4_096, 160), None);
        assert!(too_few(needed - 1, 4_096, 160).is_some());
        assert_eq!(too_few(100, 4_096, 160).unwrap().0, 12, "some are let in whatever the limit");
    }
}
