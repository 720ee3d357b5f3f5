//! The configuration profile by which iPhones, iPads and Macs set up an account.

use super::address::DomainName;
use crate::util::hash;

/// The profile, an XML property list (Apple, "Configuration Profile Reference", payload
/// `com.apple.mail.managed`). What it does not say, address and password, the device asks for; so it
/// is the same for every user.
pub fn profile(hostname: &DomainName) -> String {
    // a profile of the same identifier takes the place of the one before
    let reversed: Vec<&str> = hostname.as_str().rsplit('.').collect();
    let identifier = format!("{}.mail", reversed.join("."));
    let [outer, inner] = ["profile", "account"].map(|part| uuid(&format!("{part} of {hostname}")));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadType</key>
	<string>Configuration</string>
	<key>PayloadVersion</key>
	<integer>1</integer>
	<key>PayloadIdentifier</key>
	<string>{identifier}</string>
	<key>PayloadUUID</key>
	<string>{outer}</string>
	<key>PayloadDisplayName</key>
	<string>Mail ({hostname})</string>
	<key>PayloadDescription</key>
	<string>Sets up your mail account. You are asked for your mail address, which is the user name as well, and your password.</string>
	<key>PayloadOrganization</key>
	<string>{hostname}</string>
	<key>PayloadRemovalDisallowed</key>
	<false/>
	<key>PayloadContent</key>
	<array>
		<dict>
			<key>PayloadType</key>
			<string>com.apple.mail.managed</string>
			<key>PayloadVersion</key>
			<integer>1</integer>
			<key>PayloadIdentifier</key>
			<string>{identifier}.account</string>
			<key>PayloadUUID</key>
			<string>{inner}</string>
			<key>PayloadDisplayName</key>
			<string>Mail account</string>
			<key>EmailAccountDescription</key>
			<string>{hostname}</string>
			<key>EmailAccountType</key>
			<string>EmailTypeIMAP</string>
			<key>IncomingMailServerHostName</key>
			<string>{hostname}</string>
			<key>IncomingMailServerPortNumber</key>
			<integer>993</integer>
			<key>IncomingMailServerUseSSL</key>
			<true/>
			<key>IncomingMailServerAuthentication</key>
			<string>EmailAuthPassword</string>
			<key>OutgoingMailServerHostName</key>
			<string>{hostname}</string>
			<key>OutgoingMailServerPortNumber</key>
			<integer>465</integer>
			<key>OutgoingMailServerUseSSL</key>
			<true/>
			<key>OutgoingMailServerAuthentication</key>
			<string>EmailAuthPassword</string>
			<key>OutgoingPasswordSameAsIncomingPassword</key>
			<true/>
		</dict>
	</array>
</dict>
</plist>
"#
    )
}

/// A UUID that follows from a text: of version 8, whose bits are anybody's own (RFC 9562 section 5.8).
fn uuid(text: &str) -> String {
    let digits = hash::sha256(text).to_ascii_uppercase();
    format!(
        "{}-{}-8{}-A{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..15],
        &digits[15..18],
        &digits[18..30]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_form() {
        let one = uuid("one");
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{one}");
        assert_eq!(one, uuid("one"));
        assert_ne!(one, uuid("two"));
    }

    #[test]
    fn the_profile_is_of_its_server() {
        let text = profile(&"mail.example.org".parse().unwrap());
        assert!(
            text.contains("<string>org.example.mail.mail</string>"),
            "{text}"
        );
        assert!(!text.contains('{') && !text.contains('}'), "{text}");
    }
}
