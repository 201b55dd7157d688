//! The endpoints of SNS, and the names that its certificates are for.
//!
//! The host checks URLs against the plugin's patterns. It is checked here as well, because of what a mistake costs: any label
//! that AWS gives to a customer (`sns.s3.amazonaws.com` is the bucket `sns`) would let that customer sign as SNS.

/// The DNS names of which the certificate at a URL must be for one. None at all for a host that is not of AWS: the operator
/// has allowed that one, for an emulator. `None` where the host is of AWS and not an endpoint of SNS.
///
/// The names differ from region to region; AWS's validator for Java lists them (`SnsHostProvider` of
/// <https://github.com/aws/aws-sdk-java-v2/tree/master/services-custom/sns-message-manager>). Regions to come are expected
/// to use one of the same forms.
pub fn certificate_names(url: &str) -> Option<Vec<String>> {
    let host = host(url);
    let Some(domain) = domain(host) else { return Some(Vec::new()) };
    let region = region(host, domain)?;
    let mut names = vec![
        "sns.amazonaws.com".to_owned(),
        format!("sns.{region}.{domain}"),
        format!("sns-signing.{region}.{domain}"),
        format!("sns-{region}.{domain}"),
    ];
    // Both regions of GovCloud have the certificate of one.
    if region.starts_with("us-gov-") {
        names.push("sns-us-gov-west-1.amazonaws.com".to_owned());
    }
    Some(names)
}

/// Whether a URL leads to an endpoint of SNS, or to a host that is not of AWS, which only the operator can have allowed.
pub fn may_be_ours(url: &str) -> bool {
    let host = host(url);
    domain(host).is_none_or(|domain| region(host, domain).is_some())
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default()
}

/// Which of AWS's domains a host is in.
fn domain(host: &str) -> Option<&'static str> {
    let is_in = |domain: &&str| host.to_ascii_lowercase().ends_with(&format!(".{domain}"));
    ["amazonaws.com", "amazonaws.com.cn"].into_iter().find(is_in)
}

/// The region of an endpoint of SNS: a place of two letters (or `eusc`), a direction or more, a number. `s3` and its like
/// have a digit in a word.
fn region<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    let region = host.strip_prefix("sns.")?.strip_suffix(domain)?.strip_suffix('.')?;
    let (words, number) = region.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    let (place, directions) = words.split_once('-')?;
    let is_place = place.len() == 2 || place == "eusc";
    let is_word = |word: &str| word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    (is_number && is_place && is_word(place) && directions.split('-').all(is_word)).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(host: &str) -> Option<Vec<String>> {
        certificate_names(&format!("https://{host}/SimpleNotificationService-a.pem"))
    }

    /// Regions and names as AWS's validator for Java has them in its tests.
    #[test]
    fn the_names_of_every_partition_are_taken() {
        for (host, name) in [
            ("sns.us-east-1.amazonaws.com", "sns.amazonaws.com"),
            ("sns.eu-central-1.amazonaws.com", "sns.amazonaws.com"),
            ("sns.us-gov-west-1.amazonaws.com", "sns-us-gov-west-1.amazonaws.com"),
            ("sns.us-gov-east-1.amazonaws.com", "sns-us-gov-west-1.amazonaws.com"),
            ("sns.cn-north-1.amazonaws.com.cn", "sns-cn-north-1.amazonaws.com.cn"),
            ("sns.cn-northwest-1.amazonaws.com.cn", "sns-cn-northwest-1.amazonaws.com.cn"),
            ("sns.me-south-1.amazonaws.com", "sns-signing.me-south-1.amazonaws.com"),
            ("sns.ap-southeast-7.amazonaws.com", "sns-signing.ap-southeast-7.amazonaws.com"),
            ("sns.mx-central-1.amazonaws.com", "sns-signing.mx-central-1.amazonaws.com"),
        ] {
            assert!(names(host).is_some_and(|names| names.iter().any(|known| known == name)), "{host}");
        }
    }

    #[test]
    fn what_a_customer_of_aws_can_have_is_not_sns() {
        for host in [
            "sns.s3.amazonaws.com",
            "sns.s3-us-west-2.amazonaws.com",
            "sns.s3-website-us-east-1.amazonaws.com",
            "sns.a.amazonaws.com",
            "sns.s3.us-east-1.amazonaws.com",
            "x.us-east-1.amazonaws.com",
            "sns.amazonaws.com",
            "sns.bucket-of-mine-1.amazonaws.com",
            "SNS.us-east-1.amazonaws.com",
            "sns.s3.AMAZONAWS.COM",
        ] {
            assert_eq!(names(host), None, "{host}");
            assert!(!may_be_ours(&format!("https://user@{host}:443/?x")), "{host}");
        }
    }

    #[test]
    fn an_emulator_has_any_certificate() {
        for url in [
            "http://127.0.0.1:4566/SimpleNotificationService-a.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/",
        ] {
            assert_eq!(certificate_names(url), Some(Vec::new()), "{url}");
            assert!(may_be_ours(url), "{url}");
        }
    }
}
