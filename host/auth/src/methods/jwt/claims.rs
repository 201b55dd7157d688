//! What a token must say (RFC 7519, 4.1; RFC 9068; RFC 8725, 3).

use hookgate_net::jose::Claims;
use serde_json::Value;

use super::Wanted;

/// What is wrong with a token whose signature is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is not for this source, or not now.
    Invalid(String),
    /// It is, and does not allow this.
    NotAllowed(String),
}

/// Whom a token speaks of, if it is from the source's issuer, for the source, valid at `now` (milliseconds since the epoch)
/// and has what the source asks for.
///
/// # Errors
/// What it lacks.
pub fn check(claims: &Claims, wanted: &Wanted, now: u64) -> Result<String, Unfit> {
    let invalid = |why: String| Err(Unfit::Invalid(why));
    if claims.get("iss").and_then(Value::as_str) != Some(&wanted.issuer) {
        return invalid("the token's `iss` is not the issuer".to_owned());
    }
    let audience = texts(claims.get("aud"));
    if !wanted.audience.iter().any(|wanted| audience.contains(&wanted.as_str())) {
        return invalid("the token's `aud` has none of the audiences".to_owned());
    }
    check_times(claims, now as f64 / 1000.0, wanted.clock_skew)?;
    let scopes: Vec<&str> = ["scope", "scp"]
        .into_iter()
        .flat_map(|name| texts(claims.get(name)))
        .flat_map(|text| text.split(' '))
        .collect();
    if let Some(scope) = wanted.scopes.iter().find(|scope| !scopes.contains(&scope.as_str())) {
        return Err(Unfit::NotAllowed(format!("the token has not the scope {scope}")));
    }
    let has = |name: &str, value: &Value| match claims.get(name) {
        Some(Value::Array(items)) => items.contains(value) || claims.get(name) == Some(value),
        found => found == Some(value),
    };
    if let Some((name, _)) = wanted.claims.iter().find(|(name, value)| !has(name, value)) {
        return Err(Unfit::NotAllowed(format!("the token's claim {name} is not what `claims` asks for")));
    }
    Ok(subject(claims).unwrap_or(&wanted.issuer).to_owned())
}

/// `exp` must be there; `nbf` may be. Both are seconds, perhaps with a fraction (RFC 7519, 2, NumericDate).
fn check_times(claims: &Claims, now: f64, skew: f64) -> Result<(), Unfit> {
    let invalid = |why: &str| Err(Unfit::Invalid(why.to_owned()));
    match claims.get("exp").map(Value::as_f64) {
        None => return invalid("the token has no `exp`: it would hold for ever"),
        Some(None) => return invalid("the token's `exp` is not a number"),
        Some(Some(exp)) if now >= exp + skew => return invalid("the token has expired"),
        Some(Some(_)) => {}
    }
    match claims.get("nbf").map(Value::as_f64) {
        Some(None) => invalid("the token's `nbf` is not a number"),
        Some(Some(nbf)) if now + skew < nbf => invalid("the token is not valid yet"),
        _ => Ok(()),
    }
}

/// A text or a list of texts.
fn texts(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Of a client's own token (client credentials) some issuers name the client only.
fn subject(claims: &Claims) -> Option<&str> {
    let named = ["sub", "client_id", "azp"].into_iter().filter_map(|name| claims.get(name)?.as_str());
    named.into_iter().find(|name| !name.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn wanted() -> Wanted {
        Wanted {
            issuer: "https://issuer.example".to_owned(),
            audience: vec!["hooks".to_owned(), "hooks-2".to_owned()],
            algorithms: Vec::new(),
            scopes: vec!["events:write".to_owned()],
            claims: BTreeMap::from([("verified".to_owned(), json!(true)), ("groups".to_owned(), json!("senders"))]),
            clock_skew: 30.0,
        }
    }

    /// The good claims with some in place of theirs; `null` takes one away.
    fn checked(changes: Value) -> Result<String, Unfit> {
        let mut claims = json!({
            "iss": "https://issuer.example", "aud": "hooks", "exp": NOW + 60, "sub": "shop",
            "scope": "openid events:write", "verified": true, "groups": ["others", "senders"],
        });
        let claims = claims.as_object_mut().unwrap();
        claims.extend(changes.as_object().unwrap().clone());
        claims.retain(|_, value| !value.is_null());
        check(claims, &wanted(), NOW * 1000)
    }

    #[test]
    fn a_fitting_token_speaks_of_its_subject() {
        let good = [
            json!({}),
            json!({ "aud": ["x", "hooks-2"] }),
            json!({ "scope": null, "scp": ["events:write"] }),
            json!({ "scope": null, "scp": "a events:write" }),
            json!({ "groups": "senders" }),
            json!({ "exp": NOW - 29 }),
            json!({ "exp": NOW as f64 + 0.5, "nbf": NOW + 30 }),
        ];
        for changes in good {
            assert_eq!(checked(changes.clone()), Ok("shop".to_owned()), "{changes}");
        }
        assert_eq!(checked(json!({ "sub": null, "client_id": "c", "azp": "a" })), Ok("c".to_owned()));
        assert_eq!(checked(json!({ "sub": null })), Ok("https://issuer.example".to_owned()));
    }

    #[test]
    fn an_unfit_token_is_told_what_it_lacks() {
        let invalid = [
            (json!({ "iss": null }), "issuer"),
            (json!({ "iss": "https://issuer.example/" }), "issuer"),
            (json!({ "iss": ["https://issuer.example"] }), "issuer"),
            (json!({ "aud": null }), "aud"),
            (json!({ "aud": "hook" }), "aud"),
            (json!({ "aud": [["hooks"]] }), "aud"),
            (json!({ "exp": null }), "no `exp`"),
            (json!({ "exp": "2999-01-01" }), "not a number"),
            (json!({ "exp": NOW - 30 }), "expired"),
            (json!({ "exp": -1 }), "expired"),
            (json!({ "nbf": NOW + 31 }), "not valid yet"),
            (json!({ "nbf": "x" }), "not a number"),
        ];
        for (changes, expected) in invalid {
            match checked(changes.clone()) {
                Err(Unfit::Invalid(why)) => assert!(why.contains(expected), "{changes}: {why}"),
                other => panic!("{changes}: {other:?}"),
            }
        }
        let not_allowed = [
            json!({ "scope": "events:writes" }),
            json!({ "scope": null }),
            json!({ "verified": "true" }),
            json!({ "verified": null }),
            json!({ "groups": ["others"] }),
        ];
        for changes in not_allowed {
            assert!(matches!(checked(changes.clone()), Err(Unfit::NotAllowed(_))), "{changes}");
        }
    }
}
