//! Who is heard: a few positions that the microphones of a meeting take in turns, on energy, in the batch in which
//! somebody begins to speak. The control plane confirms afterwards who really has something to say.
//!
//! Pure: voices in, positions out. `crate::shard::stage` feeds consumers from the positions.

pub mod levels;
pub mod positions;
pub mod voice;

#[cfg(test)]
mod tests;

pub use positions::{Stage, Voices};
pub use voice::{Heard, Sound, Voice};
