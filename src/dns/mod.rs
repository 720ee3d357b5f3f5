//! Asking the DNS: the server's own resolver, and each authoritative server of a zone.
//!
//! A thin layer over hickory. Outside all is synchronous; inside, one runtime on the caller's
//! thread lets many questions wait at the same time.
//!
//! Names are text here: lower case, without the dot at their end; the root is `.`.

mod answer;
mod client;
mod lookups;
mod record;
mod zone;

pub use answer::{Answer, NoAnswer, Status};
pub use client::{Client, Question, RESOLVER};
pub use hickory_proto::rr::RecordType;
pub use lookups::{Listing, Published, blocklist_name, reverse_name};
pub use record::{Data, Record, txt};
pub use zone::{NameServer, Zone};
