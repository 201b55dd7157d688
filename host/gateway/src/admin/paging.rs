//! Pages of lists: the place where a list continues, as an opaque token.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use super::ApiError;

/// The default number of items of a page.
pub const LIMIT_DEFAULT: usize = 50;
/// The largest number of items of a page.
pub const LIMIT_MAX: usize = 500;

/// The longest part of a token is the name of a destination.
const TOKEN_MAX: usize = 1024;

/// The token of a place in the list called `list`.
pub fn token(list: &str, place: &impl Serialize) -> Option<String> {
    Some(BASE64_URL_SAFE_NO_PAD.encode(postcard::to_stdvec(&(list, place)).ok()?))
}

/// The place of a token.
///
/// # Errors
/// The token is not of this list.
pub fn place<P: DeserializeOwned>(list: &str, token: &str) -> Result<P, ApiError> {
    let read = || {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(Some(token).filter(|token| token.len() <= TOKEN_MAX)?).ok()?;
        let ((of, place), rest): ((String, P), &[u8]) = postcard::take_from_bytes(&bytes).ok()?;
        (of == list && rest.is_empty()).then_some(place)
    };
    let wrong = "`page` is not a `next_page` of this list; leave it out to begin with the first page";
    read().ok_or_else(|| ApiError::Malformed(wrong.to_owned()))
}

/// The number of items that is asked for.
///
/// # Errors
/// The number is 0 or too large.
pub fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        other => Err(ApiError::Malformed(format!("`limit` must be 1 to {LIMIT_MAX}, not {other}"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_leads_back_to_its_place(at: u64, name in "\\PC{0,64}") {
            let token = token("l", &(at, &name)).unwrap();
            prop_assert_eq!(place::<(u64, String)>("l", &token), Ok((at, name)));
        }

        #[test]
        fn any_other_text_is_refused(text in "\\PC{0,80}") {
            prop_assert!(place::<(u64, String)>("l", &text).is_err());
        }
    }

    #[test]
    fn tokens_of_other_lists_and_damaged_ones_are_refused() {
        let token = token("l", &7_u64).unwrap();
        assert!(place::<u64>("other", &token).is_err());
        assert!(place::<u64>("l", &format!("{token}AA")).is_err());
        assert!(place::<u64>("l", &token[1..]).is_err());
    }

    #[test]
    fn limits_have_bounds() {
        assert_eq!(limit(None), Ok(LIMIT_DEFAULT));
        assert_eq!(limit(Some(LIMIT_MAX)), Ok(LIMIT_MAX));
        assert!(limit(Some(0)).is_err() && limit(Some(LIMIT_MAX + 1)).is_err());
    }
}
