//! The last page.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{KEYS, LOUD, PLAIN, sheet::Sheet};
use crate::wizard::{
    disks::Target,
    form::{Form, Place, Stop, Tab},
    ready::Ready,
};

/// The part that is chosen, scrolled; brings the scrolling into bounds.
pub(super) fn sheet(form: &mut Form, area: Rect) -> Sheet {
    let rows = usize::from(area.height).saturating_sub(2);
    let mut part = Sheet::new(area);
    match (&form.ready, form.review.tab) {
        (_, Tab::Summary) => summary(form, &mut part),
        (None, _) => part.text(working(form)),
        (Some(ready), Tab::Records) => records(form, ready, &mut part),
        (Some(ready), Tab::Answers) => {
            // a comment: it may be copied with the rest
            part.text("# Long lines are folded here; the QR codes have them whole.");
            part.text(ready.shown.expose());
        }
        (Some(_), Tab::Qr) => qr(&mut part),
    }
    let most = part.len().saturating_sub(rows);
    form.review.scroll = form.review.scroll.min(most);
    form.review.step = rows.saturating_sub(1).max(1);
    let mut sheet = Sheet::new(area);
    sheet.line(tabs(form, most));
    sheet.gap();
    sheet.under(part, form.review.scroll);
    sheet
}

fn tabs(form: &Form, most: usize) -> Line<'static> {
    let mut spans = Vec::new();
    for tab in Tab::ALL {
        let chosen = tab == form.review.tab;
        let label = match chosen {
            true => format!("<{}>", tab.title()),
            false => format!(" {} ", tab.title()),
        };
        let style = match (chosen, form.stop() == Stop::Tabs) {
            (true, true) => KEYS,
            (true, false) => LOUD,
            _ => PLAIN,
        };
        spans.extend([Span::styled(label, style), Span::raw(" ")]);
    }
    if most > 0 {
        let more = match form.review.scroll {
            at if at >= most => "(end)".to_owned(),
            at => format!("({} more lines)", most - at),
        };
        spans.push(Span::raw(format!("  {more}")));
    }
    Line::from(spans)
}

fn working(form: &Form) -> &'static str {
    match (form.is_working(), form.waits_for_keys()) {
        (false, _) => "This did not work. To try again, go back a page and on again.",
        (true, true) => "Working: the keys that sign mail are made. This may take a minute ...",
        (true, false) => "Working: the password is hashed ...",
    }
}

fn summary(form: &Form, part: &mut Sheet) {
    let values = &form.values;
    let user = format!("{}@{}", values.local.trimmed(), values.domain.trimmed());
    let key = match values.ssh_key.trimmed() {
        "" => "none".to_owned(),
        key => key.to_owned(),
    };
    let console = match values.console {
        true => "root logs in with the password of the first user",
        false => "no password",
    };
    part.text(&format!("Host name   {}", values.hostname.trimmed()));
    part.text(&format!("Domain      {}", values.domain.trimmed()));
    part.text(&format!("First user  {user}"));
    part.text(&format!("SSH key     {key}"));
    part.text(&format!("Console     {console}"));
    part.text(&format!("Server on   {}", whereto(form)));
    part.gap();
    let Some(ready) = &form.ready else {
        part.text(working(form));
        return;
    };
    for warning in &ready.warnings {
        part.loud(&format!("Warning: {}", warning.message));
        part.text(&format!("  {}", warning.help));
    }
    if !ready.warnings.is_empty() {
        part.gap();
    }
    part.text(match form.place {
        Place::Server => "All is ready. Look at the DNS records, or set up this server.",
        Place::Host(_) => "All is ready. Look at the DNS records, or write the file.",
    });
}

/// Where the server is to live.
pub(super) fn whereto(form: &Form) -> String {
    match (form.values.chosen(), form.values.install()) {
        (Some(Target::Disk(_)), Some((device, true))) => format!("{device}, which is ERASED"),
        (Some(Target::Disk(_)), Some((device, false))) => format!("{device}, which is blank"),
        (_, Some((device, _))) => format!("{device}, which has to be blank"),
        _ => "memory: all is gone after a reboot".to_owned(),
    }
}

fn records(form: &Form, ready: &Ready, part: &mut Sheet) {
    part.say(
        "What the DNS has to say for mail to arrive and to be believed. 'mailctl dns show' has this \
         on the server, 'mailctl dns check' looks whether it is published.",
    );
    if !form.is_server() {
        part.say(
            "The server makes DKIM keys and shows their records, too; 'ezmail dkim generate' makes \
             them beforehand.",
        );
    }
    part.text(&ready.records);
}

fn qr(part: &mut Sheet) {
    part.say(
        "The answers as QR codes, for a phone, where this screen lets nobody copy. They hold what \
         the part before shows: hashes, no password and no private key. Keep them to yourself all \
         the same.",
    );
    part.say("Press Enter to see them: they take the whole screen.");
    part.text(
        "Where one code is too small for all, there are several. Each begins with a line such as \
         1/5: leave these lines away, and put the rest together as it is.",
    );
}
