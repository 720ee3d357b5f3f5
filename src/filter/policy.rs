//! From rspamd's verdict to what happens to the message.

use super::{
    doubt::Doubt,
    headers::BadField,
    rewrite::Plan,
    rspamd::{Action, Reply},
    session::Client,
};

/// What happens to a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passes, changed so.
    Pass(Plan),
    /// It is refused with this SMTP reply.
    Refuse(String),
}

/// Decides. `signatures` is how many DKIM signatures a message of a logged-in user must have:
/// one a key; a missing one means that a key could not be read, and a message once sent
/// unsigned cannot be called back.
pub(super) fn decide(reply: &Reply, client: &Client, signatures: usize) -> Result<Verdict, Doubt> {
    let message = reply.message.as_deref();
    match reply.action {
        Action::Reject => {
            return Ok(refuse("550 5.7.1", message, "Message refused as spam"));
        }
        Action::SoftReject | Action::Greylist => {
            return Ok(refuse("451 4.7.1", message, "Try again later"));
        }
        Action::Pass | Action::AddHeader | Action::RewriteSubject => {}
    }
    let got = signature_count(reply);
    if client.user.is_some() && got < signatures {
        return Err(Doubt::Unsigned {
            got,
            want: signatures,
        });
    }
    Ok(Verdict::Pass(plan(reply, client)?))
}

fn signature_count(reply: &Reply) -> usize {
    let is_signature = |name: &str| name.eq_ignore_ascii_case("DKIM-Signature");
    let added = reply.add.iter().filter(|h| is_signature(&h.name)).count();
    reply.signatures.len() + added
}

fn plan(reply: &Reply, client: &Client) -> Result<Plan, BadField> {
    let mut plan = Plan::default();
    let is_spam = reply.action == Action::AddHeader;
    if is_spam || !client.is_ours() {
        plan.strip_spam();
    }
    for (name, position) in &reply.remove {
        plan.remove(name, *position);
    }
    // below smtpd's own Received, where rspamd's milter puts them too
    for signature in &reply.signatures {
        plan.add(1, "DKIM-Signature", signature)?;
    }
    if is_spam {
        let (score, required) = (reply.score, reply.required_score);
        plan.add(1, "X-Spam", "Yes")?;
        plan.add(1, "X-Spam-Score", &format!("{score:.2} / {required:.2}"))?;
        let status = format!("Yes, score={score:.2} required={required:.2}");
        plan.add(1, "X-Spam-Status", &status)?;
    }
    for header in &reply.add {
        plan.add_header(header)?;
    }
    if let (Action::RewriteSubject, Some(subject)) = (reply.action, &reply.subject) {
        plan.subject(subject)?;
    }
    Ok(plan)
}

/// An SMTP reply with rspamd's words if it has any: one line of ASCII, as smtpd demands.
fn refuse(code: &str, message: Option<&str>, otherwise: &str) -> Verdict {
    let text: String = message
        .unwrap_or_default()
        .trim()
        .chars()
        .map(|c| if (' '..='~').contains(&c) { c } else { '?' })
        .take(400)
        .collect();
    let text = if text.is_empty() { otherwise } else { &text };
    Verdict::Refuse(format!("{code} {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(action: Action) -> Reply {
        Reply {
            action,
            score: 7.5,
            required_score: 15.0,
            subject: None,
            message: None,
            signatures: Vec::new(),
            add: Vec::new(),
            remove: Vec::new(),
        }
    }

    fn user() -> Client {
        Client {
            user: Some(b"a@example.org".to_vec()),
            ..Client::default()
        }
    }

    #[test]
    fn refusals() {
        let refused = |action, message: Option<&str>| {
            let reply = Reply {
                message: message.map(str::to_owned),
                ..reply(action)
            };
            match decide(&reply, &user(), 2).unwrap() {
                Verdict::Refuse(text) => text,
                Verdict::Pass(plan) => format!("{plan:?}"),
            }
        };
        assert_eq!(
            refused(Action::Reject, None),
            "550 5.7.1 Message refused as spam"
        );
        assert_eq!(
            refused(Action::SoftReject, None),
            "451 4.7.1 Try again later"
        );
        assert_eq!(
            refused(Action::Greylist, Some(" später\r\n250 OK ")),
            "451 4.7.1 sp?ter??250 OK"
        );
        assert_eq!(refused(Action::Reject, Some(&"x".repeat(900))).len(), 410);
    }

    #[test]
    fn a_user_gets_every_signature_or_a_temporary_failure() {
        let mut reply = reply(Action::Pass);
        reply.signatures = vec!["v=1; a=rsa-sha256".to_owned()];
        let doubt = decide(&reply, &user(), 2).unwrap_err();
        assert_eq!(doubt.to_string(), "1 DKIM signatures instead of 2");
        assert!(doubt.reply().starts_with("451 "));
        assert!(matches!(decide(&reply, &user(), 1), Ok(Verdict::Pass(_))));
        assert!(matches!(
            decide(&reply, &Client::default(), 2),
            Ok(Verdict::Pass(_))
        ));
        reply.signatures.push("v=1; a=ed25519-sha256".to_owned());
        assert!(matches!(decide(&reply, &user(), 2), Ok(Verdict::Pass(_))));
    }

    #[test]
    fn a_header_that_cannot_be_is_a_doubt() {
        let mut reply = reply(Action::Pass);
        reply.add = vec![crate::filter::rspamd::AddHeader {
            name: "X Y".to_owned(),
            value: String::new(),
            order: 0,
        }];
        let doubt = decide(&reply, &Client::default(), 2).unwrap_err();
        assert_eq!(
            doubt.to_string(),
            "rspamd's verdict is malformed: the header name 'X Y' is not one"
        );
    }
}
