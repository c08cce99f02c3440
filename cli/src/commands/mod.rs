//! One module per command.

pub(crate) mod anchor;
pub(crate) mod ask;
pub(crate) mod controls;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod emit;
pub(crate) mod evidence;
pub(crate) mod ingest;
pub(crate) mod keys;
pub(crate) mod pages;
pub(crate) mod people;
pub(crate) mod poll;
pub(crate) mod quarantine;
pub(crate) mod report;
pub(crate) mod rotation;
pub(crate) mod shell;
pub(crate) mod sources;
pub(crate) mod split;
pub(crate) mod trial;
pub(crate) mod upkeep;
pub(crate) mod witness;
