//! The pages that ask.

use ratatui::layout::Rect;

use super::sheet::Sheet;
use crate::wizard::{
    disks::Target,
    form::{Form, Place, Stop},
    values::Field,
};

pub(super) fn welcome(form: &Form, area: Rect) -> Sheet {
    let mut sheet = Sheet::new(area);
    sheet.gap();
    sheet.loud(&form.about);
    sheet.gap();
    match &form.place {
        Place::Server => {
            sheet.say(
                "This machine is not a mail server yet: it has found no answers that say whose it \
                 is to be. This form asks for them, and sets it up.",
            );
            sheet.say(
                "It takes a domain that is yours, the name of a first user, and perhaps an SSH \
                 key. Nothing is written anywhere before the last page has asked you, and you may \
                 leave at any time.",
            );
        }
        Place::Host(file) => {
            sheet.say(&format!(
                "This form asks for what a mail server has to know, and writes the answers file \
                 {file} in the end. 'ezmail embed' or 'ezmail boot' give that to a server.",
            ));
            sheet.say(
                "Nothing is written before the last page has asked you, and you may leave at any \
                 time.",
            );
        }
    }
    sheet.text("Keys:");
    sheet.text("  Tab, arrow keys    to the next field or button, and back");
    sheet.text("  Enter              done with a field; presses a button");
    sheet.text("  Space              changes a check box");
    sheet.text("  Esc, or Ctrl-C     leaves, after a question");
    sheet.text("  Ctrl-L             draws the screen again");
    sheet
}

pub(super) fn names(form: &Form, area: Rect) -> Sheet {
    let mut sheet = Sheet::new(area);
    sheet.gap();
    sheet.say(
        "The full name that the DNS has, or will have, for this server. Other servers know it by \
         this name, such as mail.example.org.",
    );
    sheet.field(form, Field::Hostname, "Host name", "");
    sheet.gap();
    sheet.say("The domain of the mail addresses: what stands after the @, such as example.org.");
    sheet.field(form, Field::Domain, "Domain", "");
    sheet
}

pub(super) fn user(form: &Form, area: Rect) -> Sheet {
    let mut sheet = Sheet::new(area);
    sheet.gap();
    sheet.say(
        "The first user: this address also gets what is sent to postmaster and abuse, and what the \
         server itself has to tell. 'mailctl user add' adds others later.",
    );
    let domain = format!(" @{}", form.values.domain.trimmed());
    sheet.field(form, Field::Local, "Address", &domain);
    sheet.gap();
    sheet.say(
        "The password for mail programs. Four or more words that do not belong together are good.",
    );
    sheet.field(form, Field::Password, "Password", "");
    sheet.field(form, Field::Again, "Once more", "");
    sheet
}

pub(super) fn access(form: &Form, area: Rect) -> Sheet {
    let mut sheet = Sheet::new(area);
    sheet.gap();
    sheet.say(
        "Who looks after the server logs in as root with an SSH key: paste the line of a .pub \
         file, or leave this empty.",
    );
    sheet.field(form, Field::SshKey, "SSH key", "");
    sheet.gap();
    sheet.say("There is no password for SSH. Root may have one at the console, which is here:");
    let label = "log in at this console as root with the password of the first user";
    let label = match form.is_server() {
        true => label.to_owned(),
        false => label.replace("this console", "the server's console"),
    };
    sheet.check_box(form, Stop::Console, form.values.console, &label);
    if !form.values.console && form.values.ssh_key.trimmed().is_empty() {
        sheet.gap();
        sheet.loud("Without a key and without this, nobody can log in to look after the server.");
    }
    sheet
}

pub(super) fn place(form: &Form, area: Rect) -> Sheet {
    let mut sheet = Sheet::new(area);
    sheet.gap();
    sheet.say(
        "Where the server is to live. It is installed to a disk, with its mail, keys and settings, \
         and boots from there on; or it runs from memory, which is for trying.",
    );
    let has_keys = form.stop() == Stop::Field(Field::Target);
    if form.waits_for_disks() {
        sheet.choice(has_keys, " - ", "looking at the disks ...");
        return sheet;
    }
    for (n, target) in form.values.targets.iter().enumerate() {
        let chosen = form.values.target == Some(n);
        let mark = match (chosen, target.is_free()) {
            (true, _) => "(*)",
            (false, true) => "( )",
            (false, false) => " - ",
        };
        // with nothing chosen, the first line has the keys
        let here = has_keys && (chosen || (form.values.target.is_none() && n == 0));
        sheet.choice(here, mark, &target.described());
        if *target == Target::Named && chosen {
            sheet.field(form, Field::Device, "    Device", "");
        }
    }
    if let Some(what) = form.values.chosen().and_then(Target::to_erase) {
        sheet.gap();
        sheet.text(&format!("On it: {what}"));
        let label = "erase it: everything on this disk is lost";
        sheet.check_box(form, Stop::Erase, form.values.erase, label);
    }
    sheet.note(form.notes.get(&Field::Target));
    sheet
}
