//! What the control plane says of bandwidth, and what it is told.

use crate::bwe::BweOptions;
use crate::ids::{ConsumerId, TransportId};
use crate::shard::Shard;
use crate::shard::commands::{Outcome, UNKNOWN};
use crate::time::Time;

impl Shard {
    pub(super) fn set_bandwidth(&mut self, now: Time, id: TransportId, options: BweOptions) -> Outcome {
        let (key, transport) = self.transport(id)?;
        let update = transport.estimate(now).estimator.set_options(now, options);
        if let Some(update) = update {
            self.events.push(update.event(id));
        }
        self.touch(key);
        Ok(())
    }

    pub(super) fn set_desired_bitrate(&mut self, now: Time, id: TransportId, bps: u64) -> Outcome {
        let (key, transport) = self.transport(id)?;
        transport.estimate(now).estimator.set_desired(now, bps);
        self.touch(key);
        Ok(())
    }

    pub(super) fn set_priority(&mut self, id: ConsumerId, priority: u8) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        self.consumers.get_mut(key).ok_or(UNKNOWN)?.priority = priority;
        Ok(())
    }
}
