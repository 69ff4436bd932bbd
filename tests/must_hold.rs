//! What must hold whatever happens, shown by the tools themselves as processes: nothing smuggled, nothing lost, memory bounded, a full
//! disk borne, nothing relayed unasked, every mistake told in one line.

#[path = "must_hold/defaults.rs"]
mod defaults;
#[path = "must_hold/full_disk.rs"]
mod full_disk;
#[path = "must_hold/large.rs"]
mod large;
#[path = "must_hold/mistakes.rs"]
mod mistakes;
#[path = "support/process.rs"]
mod process;
#[path = "must_hold/site.rs"]
mod site;
#[path = "must_hold/smuggling.rs"]
mod smuggling;
#[path = "support/talk.rs"]
mod talk;
#[path = "support/usage.rs"]
mod usage;
