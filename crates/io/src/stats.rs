//! What the I/O layer counts, beside what the shard counts.

/// Totals since the thread started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Calls that brought at least one datagram.
    pub receive_calls: u64,
    pub received: u64,
    /// Longer than any packet of a protocol we speak: cut off, dropped.
    pub receive_truncated: u64,
    /// Came while the sockets' buffers were full, because the thread was too late: dropped by the kernel.
    pub receive_overflowed: u64,
    pub send_calls: u64,
    /// Messages; one carries up to 64 datagrams by segmentation offload.
    pub sent_messages: u64,
    pub sent: u64,
    /// Of these: longer than their path takes.
    pub sent_in_fragments: u64,
    /// Datagrams that the kernel did not take because its buffers were full, after waiting.
    pub dropped_buffers_full: u64,
    /// Datagrams that the kernel refused for another reason (no route, forbidden, too long).
    pub dropped_refused: u64,
    /// Runs that the kernel wanted in single datagrams.
    pub trains_split: u64,
    /// Sockets that send without segmentation offload.
    pub sockets_without_gso: u64,
}

impl IoStats {
    /// (name, value) of every field.
    pub fn fields(&self) -> [(&'static str, u64); 12] {
        [
            ("io_receive_calls", self.receive_calls),
            ("io_received", self.received),
            ("io_receive_truncated", self.receive_truncated),
            ("io_receive_overflowed", self.receive_overflowed),
            ("io_send_calls", self.send_calls),
            ("io_sent_messages", self.sent_messages),
            ("io_sent", self.sent),
            ("io_sent_in_fragments", self.sent_in_fragments),
            ("io_dropped_buffers_full", self.dropped_buffers_full),
            ("io_dropped_refused", self.dropped_refused),
            ("io_trains_split", self.trains_split),
            ("io_sockets_without_gso", self.sockets_without_gso),
        ]
    }
}
