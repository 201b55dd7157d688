//! Interactions: what users do with an application, and the answer that Discord wants within three seconds.
//! <https://docs.discord.com/developers/interactions/receiving-and-responding>

use hookgate_plugin_sdk::{
    Accepted, Admission, Delivery, Identity, KnownBy, Ordering, Payload, Position, Refusal, Reply, Verdict,
    answer::{self, answer},
    fields,
};

/// Milliseconds since 1970 at which Discord's ids begin to count.
const EPOCH: u64 = 1_420_070_400_000;

/// The answer to an interaction's ping.
pub fn pong() -> Verdict {
    answer(200, "application/json", r#"{"type":1}"#)
}

/// An interaction other than a ping.
///
/// # Errors
/// Unsupported: a type that Discord has not documented yet.
pub fn judge(delivery: &Delivery, kind: u64) -> Result<Verdict, Refusal> {
    let (kind, deferral) = match kind {
        2 => ("application_command", r#"{"type":5"#),
        // The message that the component hangs on stays as it is until the destination edits it.
        3 => ("message_component", r#"{"type":6"#),
        // Suggestions are useful only in this answer, and a consumer behind a queue cannot make them.
        4 => return Ok(answer(200, "application/json", r#"{"type":8,"data":{"choices":[]}}"#)),
        5 => ("modal_submit", r#"{"type":5"#),
        _ => return Err(Refusal::Unsupported(format!("interaction of type {kind}"))),
    };
    let reply = Reply {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: reply_body(delivery.setting("interaction-reply"), deferral)?.into_bytes(),
    };
    let events = vec![Admission { identity: identity(delivery, kind)?, payload: Payload::Body }];
    Ok(Verdict::Admit(Accepted { events, reply: Some(reply) }))
}

/// A deferral gives the destination 15 minutes to answer with the interaction's token.
fn reply_body(setting: Option<String>, deferral: &str) -> Result<String, Refusal> {
    match setting.as_deref() {
        None | Some("deferred") => Ok(format!("{deferral}}}")),
        Some("ephemeral") => Ok(format!(r#"{deferral},"data":{{"flags":64}}}}"#)),
        Some(json) if json.starts_with('{') => Ok(json.to_owned()),
        Some(other) => Err(Refusal::Misconfigured(format!(
            "settings.interaction-reply is {other:?}: write deferred, ephemeral or a JSON object"
        ))),
    }
}

fn identity(delivery: &Delivery, kind: &str) -> Result<Identity, Refusal> {
    let [id, application, channel, guild, member, user, command, component] = fields::of(
        delivery,
        [
            "/id",
            "/application_id",
            "/channel_id",
            "/guild_id",
            "/member/user/id",
            "/user/id",
            "/data/name",
            "/data/custom_id",
        ],
    )?;
    let id = id.id();
    let occurred_at = id.as_deref().and_then(created_at);
    let (user, channel) = (member.id().or(user.id()), channel.id());
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    let attributes = [
        ("application", application.id()),
        ("subject", command.id().or(component.id())),
        ("channel", channel.clone()),
        ("guild", guild.id()),
        ("user", user.clone()),
    ];
    Ok(Identity {
        known_by: answer::id_or(id, KnownBy::Undeclared),
        kind: Some(format!("interaction.{kind}")),
        occurred_at,
        ordering: user.or(channel).map(|key| Ordering { key, position }),
        attributes: answer::attributes(attributes),
    })
}

/// Discord's ids hold their time in all but the lowest 22 bits
/// (<https://docs.discord.com/developers/reference#snowflakes>).
fn created_at(id: &str) -> Option<u64> {
    (id.parse::<u64>().ok()? >> 22).checked_add(EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_time() {
        assert_eq!(created_at("175928847299117063"), Some(1_462_015_105_796), "the documentation's own example");
        assert_eq!(created_at("x"), None);
        assert_eq!(created_at("18446744073709551615"), Some(5_818_116_911_103));
    }
}
