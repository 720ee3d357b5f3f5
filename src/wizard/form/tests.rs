//! The form, driven by keys as a terminal sends them.

use super::*;
use crate::{
    mail::dkim::{self, Algorithm},
    wizard::{
        keys::Keys,
        tests::{SSH_KEY, hashes, on_host, on_server, targets},
    },
};

/// Presses the keys of `bytes`; what they asked the world for.
pub(super) fn press(form: &mut Form, bytes: &str) -> Vec<Effect> {
    let mut keys = Keys::default();
    let pressed = keys.feed(bytes.as_bytes());
    let last = keys.end();
    let all = pressed.into_iter().chain(last);
    all.flat_map(|key| form.press(key)).collect()
}

/// Gives a button the keys.
pub(super) fn go_to(form: &mut Form, button: Button) {
    let at = form.stops().iter().position(|s| *s == Stop::Button(button));
    form.focus = at.unwrap();
}

const PASSWORD: &str = "wood stapler under rain";
/// From the first page to the last, with the blank disk that is chosen already.
pub(super) fn through(form: &mut Form) -> Vec<Effect> {
    let mut effects = press(form, "\r");
    effects.extend(press(form, "mail.example.org\r\r\r"));
    assert_eq!(form.page, Page::User, "{:?}", form.notes);
    effects.extend(press(form, &format!("alice\r{PASSWORD}\r{PASSWORD}\r\r")));
    assert_eq!(form.page, Page::Access, "{:?}", form.notes);
    effects.extend(press(form, "\r\r\r"));
    assert_eq!(form.page, Page::Place, "{:?}", form.notes);
    if form.is_server() {
        form.listed(Ok(targets())).unwrap();
    }
    go_to(form, Button::Next);
    effects.extend(press(form, "\r"));
    effects
}

/// A key of each algorithm.
pub(super) fn keys() -> Vec<DkimKey> {
    // an Ed25519 key takes no time
    vec![DkimKey {
        selector: Algorithm::Ed25519.selector().to_owned(),
        pem: dkim::generate(Algorithm::Ed25519).unwrap(),
    }]
}

/// What is said about a field.
fn said(form: &Form, field: Field) -> &str {
    form.notes.get(&field).map_or("", |note| &note.message)
}

#[test]
fn a_paste_is_text_alone() {
    let mut form = on_server();
    assert_eq!(press(&mut form, "\x1b[200~a b\x1b[201~"), []);
    assert_eq!(form.page, Page::Welcome, "it pressed the button");
    press(&mut form, "\r\x1b[200~mail.example.org\r\x1b[201~");
    assert_eq!(form.values.hostname.text(), "mail.example.org");
    press(&mut form, "\x03\x1b[200~y\x1b[201~");
    assert!(!form.yes, "it answered a question");
}

#[test]
fn a_server_is_set_up_with_one_disk_and_no_key() {
    let mut form = on_server();
    let effects = through(&mut form);
    assert_eq!(form.page, Page::Review, "{:?}", form.notes);
    let asked = [Effect::MakeKeys, Effect::ListDisks, Effect::Hash(1)];
    assert_eq!(effects, asked);
    // not before all is there
    assert_eq!(press(&mut form, "\r\r"), []);
    assert_eq!(form.dialog, None);
    form.hashed(1, Ok(hashes(true))).unwrap();
    assert!(form.ready.is_none() && form.waits_for_keys());
    form.keys_made(Ok(keys())).unwrap();
    let ready = form.ready.as_ref().unwrap();
    assert!(ready.answers.expose().contains("PRIVATE KEY"));
    assert!(!ready.shown.expose().contains("PRIVATE KEY"));
    assert!(!ready.answers.expose().contains(PASSWORD));
    assert!(
        ready
            .records
            .contains("ezmail-ed25519._domainkey.example.org")
    );
    let answers = crate::answers::parse(ready.answers.expose(), "x").unwrap();
    assert_eq!(answers.install.unwrap().device, "/dev/vda");
    assert!(answers.console.is_some());
    // the last question, with "no" first
    press(&mut form, "\r");
    assert_eq!(form.dialog, Some(Dialog::LastYes));
    assert_eq!(press(&mut form, "\r"), []);
    assert_eq!((form.dialog.clone(), form.page), (None, Page::Review));
    assert_eq!(press(&mut form, "\r\x1b[C\r"), [Effect::Apply]);
}

#[test]
fn each_field_is_told_of_when_it_is_left_wrong() {
    let mut form = on_server();
    press(&mut form, "\rmail\t");
    assert!(said(&form, Field::Hostname).starts_with("`mail` cannot be the server's name"));
    assert_eq!(said(&form, Field::Domain), "", "not looked at yet");
    press(&mut form, "\x1b[A.example.org\t");
    assert_eq!(said(&form, Field::Hostname), "");
    assert_eq!(form.values.domain.text(), "example.org");
    press(&mut form, "\x15exa mple.org\r");
    assert!(said(&form, Field::Domain).starts_with("`exa mple.org` is not a usable mail domain"));
    // and the next page is not reached with it
    press(&mut form, "\r");
    assert_eq!(
        (form.page, form.stop()),
        (Page::Names, Stop::Field(Field::Domain))
    );
    press(&mut form, "\x15example.org\r\r");
    assert_eq!(form.page, Page::User);
    press(&mut form, "al ice\r");
    assert!(said(&form, Field::Local).contains("not a usable address"));
    press(&mut form, "alice2026\r");
    assert!(said(&form, Field::Password).contains("at least 10 are needed"));
    press(&mut form, "other\r");
    assert_eq!(said(&form, Field::Again), "the two passwords differ");
    press(&mut form, "\r");
    assert_eq!(form.stop(), Stop::Field(Field::Local));
    press(&mut form, &format!("\x15alice\r\x15{PASSWORD}\r"));
    assert_eq!(said(&form, Field::Password), "");
    assert_eq!(said(&form, Field::Again), "the two passwords differ");
    press(&mut form, &format!("\x15{PASSWORD}\r\r"));
    assert_eq!(form.page, Page::Access);
    press(&mut form, "ssh-ed25519 AAAA\r");
    assert!(said(&form, Field::SshKey).contains("key is damaged"));
    press(&mut form, "\r\r");
    assert_eq!(
        (form.page, form.stop()),
        (Page::Access, Stop::Field(Field::SshKey))
    );
    press(&mut form, &format!("\x15{SSH_KEY}\r\r\r"));
    assert_eq!(form.page, Page::Place);
    form.listed(Ok(targets())).unwrap();
    // a disk with something on it wants a word of its own
    press(&mut form, "\x1b[B\t\t\r");
    assert_eq!(said(&form, Field::Target), "/dev/vdb is not blank");
    assert_eq!(
        (form.page, form.stop()),
        (Page::Place, Stop::Field(Field::Target))
    );
    press(&mut form, "\t \t\r");
    assert_eq!(form.page, Page::Review);
    assert_eq!(form.values.install(), Some(("/dev/vdb", true)));
}

#[test]
fn the_domain_follows_the_host_name_until_one_is_typed() {
    let mut form = on_server();
    press(&mut form, "\rmail.example.org\t");
    assert_eq!(form.values.domain.text(), "example.org");
    press(&mut form, "\x1b[Z\x15mx.example.net\t");
    assert_eq!(form.values.domain.text(), "example.net");
    press(&mut form, "\x15example.com\x1b[Z\x15mx.example.org\t");
    assert_eq!(form.values.domain.text(), "example.com");
    press(&mut form, "\x15\x1b[Z\x15example.org\t");
    assert_eq!(
        form.values.domain.text(),
        "",
        "org is no domain of anybody's"
    );
}

#[test]
fn the_console_follows_the_key_until_it_is_chosen() {
    let mut form = on_server();
    form.page = Page::Access;
    press(&mut form, &format!("{SSH_KEY}\t"));
    assert!(!form.values.console);
    press(&mut form, "\x1b[A\x15\t");
    assert!(form.values.console);
    press(&mut form, " \x1b[Z\t");
    assert!(!form.values.console);
}

#[test]
fn disks_that_cannot_be_taken_are_passed_over() {
    let mut form = on_server();
    form.page = Page::Place;
    assert_eq!(form.values.target, Some(0), "the blank one");
    press(&mut form, "\x1b[B");
    assert!(form.stops().contains(&Stop::Erase));
    press(&mut form, "\t \x1b[A");
    assert!(form.values.erase);
    // another choice asks again
    press(&mut form, "\x1b[B");
    assert_eq!(form.values.target, Some(3));
    assert!(!form.values.erase && !form.stops().contains(&Stop::Erase));
    press(&mut form, "\x1b[B");
    assert_eq!(form.stop(), Stop::Button(Button::Next));
}

#[test]
fn what_became_wrong_by_a_later_change_is_asked_for_again() {
    let mut form = on_server();
    through(&mut form);
    form.page = Page::Names;
    form.focus = 1;
    // the password now is the domain's name
    form.values.password = crate::wizard::line::Line::of(300, "stapler-rain.org");
    form.values.again = form.values.password.clone();
    press(&mut form, "\x15stapler-rain.org\r\r");
    form.page = Page::Place;
    form.focus = 1;
    assert_eq!(press(&mut form, "\r"), []);
    assert_eq!(
        (form.page, form.stop()),
        (Page::User, Stop::Field(Field::Password))
    );
}

#[test]
fn leaving_is_asked_about_from_everywhere() {
    for page in Page::ALL {
        for key in ["\x1b", "\x03"] {
            let mut form = on_server();
            form.page = page;
            assert_eq!(press(&mut form, key), []);
            assert_eq!(form.dialog, Some(Dialog::Leave), "{page:?}");
            assert_eq!(press(&mut form, "\r"), []);
            assert_eq!((form.dialog.clone(), form.page), (None, page));
            press(&mut form, key);
            assert_eq!(press(&mut form, key), []);
            assert_eq!(form.dialog, None);
            press(&mut form, key);
            assert_eq!(press(&mut form, "y\r"), [Effect::Leave]);
        }
        let mut form = on_server();
        form.page = page;
        press(&mut form, "\x1b[Z\r");
        let last = form.page == Page::Names || form.dialog == Some(Dialog::Leave);
        assert!(last, "{page:?}: the last stop is Cancel, or leads to it");
    }
}

#[test]
fn parts_of_the_review_turn_and_scroll() {
    let mut form = on_host();
    through(&mut form);
    form.hashed(1, Ok(hashes(true))).unwrap();
    assert_eq!(form.stop(), Stop::Tabs);
    press(&mut form, "\x1b[C");
    assert_eq!(form.review.tab, Tab::Records);
    press(&mut form, "\x1b[B\x1b[B\x1b[A");
    assert_eq!(form.review.scroll, 1);
    press(&mut form, "\x1b[6~\x1b[5~\x1b[D\x1b[D");
    assert_eq!((form.review.tab, form.review.scroll), (Tab::Qr, 0));
    press(&mut form, "\r\x1b[B\x1b[B\x1b[A");
    assert_eq!(form.review.code, Some(1));
    press(&mut form, "u");
    assert!(!form.review.blocks);
    press(&mut form, "q");
    assert_eq!((form.review.code, form.page), (None, Page::Review));
    assert_eq!(press(&mut form, "\x0c"), [Effect::Redraw]);
}

#[test]
fn on_another_computer_a_disk_is_named_and_no_keys_are_made() {
    let mut form = on_host();
    press(&mut form, "\rmail.example.org\r\r\r");
    press(&mut form, &format!("alice\r{PASSWORD}\r{PASSWORD}\r\r"));
    press(&mut form, "\r\r\r\r\x15sda\r\r");
    assert_eq!(form.page, Page::Place);
    assert_eq!(
        said(&form, Field::Device),
        "`sda` is not the path of a disk"
    );
    assert_eq!(press(&mut form, "\x15/dev/sda\r\r"), [Effect::Hash(1)]);
    form.hashed(1, Ok(hashes(true))).unwrap();
    let ready = form.ready.as_ref().unwrap();
    assert!(ready.answers.expose().contains("device = \"/dev/sda\""));
    assert_eq!(ready.shown, ready.answers);
    assert!(!ready.records.contains("_domainkey"));
}

#[test]
fn answers_of_before_are_filled_in() {
    let mut form = on_server();
    let answers = crate::answers::parse(&crate::answers::example::toml(), "x").unwrap();
    form.fill_in(&answers);
    assert_eq!(form.values.hostname.text(), "mail.example.org");
    assert_eq!(form.values.local.text(), "alice");
    assert!(!form.values.console && form.values.password.text().is_empty());
}
