//! The region that a request is signed for.

/// What most services take, whatever they are.
const USUAL: &str = "us-east-1";

/// The region that the name of a host tells, or the one that most services take.
pub fn of(host: &str) -> &str {
    if host.ends_with(".r2.cloudflarestorage.com") {
        return "auto";
    }
    // the region stands after `s3.`, or in front
    const BEHIND: [&str; 5] = [
        ".amazonaws.com",
        ".backblazeb2.com",
        ".wasabisys.com",
        ".scw.cloud",
        ".io.cloud.ovh.net",
    ];
    const FRONT: [&str; 4] = [
        ".your-objectstorage.com",
        ".digitaloceanspaces.com",
        ".linodeobjects.com",
        ".vultrobjects.com",
    ];
    let region = BEHIND
        .iter()
        .find_map(|domain| host.strip_suffix(domain)?.strip_prefix("s3."))
        .map(|region| region.strip_prefix("dualstack.").unwrap_or(region))
        .or_else(|| FRONT.iter().find_map(|domain| host.strip_suffix(domain)));
    match region {
        Some(region) if !region.is_empty() && !region.contains('.') => region,
        _ => USUAL,
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn regions_are_told_by_the_host() {
        for (host, region) in [
            ("s3.amazonaws.com", "us-east-1"),
            ("s3.eu-central-1.amazonaws.com", "eu-central-1"),
            ("s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"),
            ("fsn1.your-objectstorage.com", "fsn1"),
            ("s3.eu-central-003.backblazeb2.com", "eu-central-003"),
            ("s3.eu-west-2.wasabisys.com", "eu-west-2"),
            ("fra1.digitaloceanspaces.com", "fra1"),
            ("a.b.digitaloceanspaces.com", "us-east-1"),
            ("0123abcd.r2.cloudflarestorage.com", "auto"),
            ("s3.example.org", "us-east-1"),
            ("192.0.2.1", "us-east-1"),
        ] {
            assert_eq!(of(host), region, "{host}");
        }
    }
}
