//! The form that asks for the answers: on the consoles of a server that has none, and on the build
//! host for `ezmail answers new --wizard`.
//!
//! [`form`] is its state and what keys do to it, [`check`] holds the fields to the rules of the
//! answers file, [`text`] writes that file, [`ready`] has what is shown before the last yes, [`draw`]
//! draws; none of these touch anything. [`terminal`] and [`run`] connect them to a terminal, [`look`]
//! to the disks, [`server`] and [`host`] to the places where the answers go.

pub mod check;
pub mod disks;
pub mod draw;
pub mod form;
pub mod host;
pub mod keys;
pub mod line;
pub mod look;
pub mod qr;
pub mod ready;
pub mod run;
pub mod server;
pub mod terminal;
pub mod text;
pub mod values;

#[cfg(test)]
pub(crate) mod tests;
