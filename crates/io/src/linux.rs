//! Linux: recvmmsg with kernel timestamps and receive offload, sendmmsg with segmentation offload, eventfd.
//!
//! Message headers are built on the stack for each call, so nothing that holds a raw pointer outlives the call.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::time::Duration;

use libc::{c_int, c_void, cmsghdr, iovec, mmsghdr, msghdr, sockaddr_in, sockaddr_in6, socklen_t};
use sfu_core::transmit::Train;
use socket2::SockAddr;

use crate::BATCH;
use crate::socket;

/// `UDP_SEGMENT`, `UDP_GRO` of linux/udp.h: the libc crate has them for some targets only.
const UDP_SEGMENT: c_int = 103;
const UDP_GRO: c_int = 104;

/// `SO_MEMINFO`, and what it tells, of `asm-generic/socket.h` and `linux/sock_diag.h`.
const SO_MEMINFO: c_int = 55;
const MEMINFO_FIELDS: usize = 9;
const MEMINFO_DROPS: usize = 8;

/// Room for a timestamp (32 bytes) and a segment size (24 bytes) with their headers.
const CONTROL_BYTES: usize = 64;
/// One datagram: the largest packet on Ethernet, and some room to notice longer ones.
const PLAIN_SLOT: usize = 2_048;
/// Many datagrams of one sender, put together by the kernel.
const OFFLOAD_SLOT: usize = 65_536;

/// A control buffer, aligned as the kernel's headers in it are.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// A bound, non-blocking UDP socket.
#[derive(Debug)]
pub struct Socket {
    inner: socket2::Socket,
    address: SocketAddr,
    gso: bool,
    gro: bool,
    /// Whether the kernel refuses what is longer than the path takes, instead of sending it in fragments.
    whole: bool,
}

impl Socket {
    /// `offload`: use segmentation and receive offload where the kernel has them.
    pub fn bind(address: SocketAddr, offload: bool) -> io::Result<Self> {
        let inner = socket::bind(address)?;
        let address = socket::local_address(&inner)?;
        let mut socket = Self { inner, address, gso: false, gro: false, whole: false };
        // As root: beyond the machine's limit for sockets of everybody else.
        for option in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
            let _ = socket.set_option(libc::SOL_SOCKET, option, socket::BUFFER_BYTES as c_int);
        }
        socket.set_option(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        // Setting the default, no segmentation, tells whether the kernel knows the option (since 4.18).
        socket.gso = offload && socket.set_option(libc::SOL_UDP, UDP_SEGMENT, 0).is_ok();
        socket.gro = offload && socket.set_option(libc::SOL_UDP, UDP_GRO, 1).is_ok();
        socket.set_whole(true);
        Ok(socket)
    }

    /// Packets say "do not fragment" to routers either way, and the kernel learns what a path takes. But where it may
    /// fragment them itself it needs a number for each packet, from a table that many destinations keep out of the
    /// caches: 5 % of all cost with 700 of them. IPv6 has that number in fragments alone.
    fn set_whole(&mut self, whole: bool) {
        let how = if whole { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_WANT };
        let done = self.address.is_ipv4() && self.set_option(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, how).is_ok();
        self.whole = whole && done;
    }

    /// Gives one train to the kernel that was too long for its path: in fragments, if that is what it takes.
    pub fn send_in_fragments(&mut self, train: &Train<'_>) -> io::Result<()> {
        if !self.whole {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        self.set_whole(false);
        let sent = self.send(std::slice::from_ref(train));
        self.set_whole(true);
        sent.map(|_| ())
    }

    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Whether trains of more than one segment may be given to [`Socket::send`].
    pub fn gso(&self) -> bool {
        self.gso
    }

    pub fn disable_gso(&mut self) {
        self.gso = false;
    }

    /// Datagrams that the kernel had no room for in the socket's buffer since it was bound (modulo 2^32).
    pub fn overflowed(&self) -> u64 {
        let mut info = [0_u32; MEMINFO_FIELDS];
        let mut length = size_of::<[u32; MEMINFO_FIELDS]>() as socklen_t;
        let (fd, into) = (self.as_raw_fd(), info.as_mut_ptr().cast::<c_void>());
        // SAFETY: the pointer and length describe `info`, which outlives the call; the descriptor is open.
        let result = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, SO_MEMINFO, into, &raw mut length) };
        if result == 0 { u64::from(info[MEMINFO_DROPS]) } else { 0 }
    }

    fn set_option(&self, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
        // SAFETY: the pointer and length describe `value`, which outlives the call; the descriptor is open.
        let result = unsafe {
            libc::setsockopt(
                self.as_raw_fd(),
                level,
                name,
                (&raw const value).cast::<c_void>(),
                size_of::<c_int>() as socklen_t,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Gives up to [`BATCH`] trains to the kernel; how many it took. Error: it did not take the first.
    pub fn send(&self, trains: &[Train<'_>]) -> io::Result<usize> {
        let count = trains.len().min(BATCH);
        let mut addresses: [Option<SockAddr>; BATCH] = [const { None }; BATCH];
        let mut controls = [Control([0; CONTROL_BYTES]); BATCH];
        // SAFETY: all-zero bytes are valid for both types: null pointers and zero lengths.
        let (mut vectors, mut messages): ([iovec; BATCH], [mmsghdr; BATCH]) = unsafe { zeroed() };
        for (index, train) in trains.iter().take(count).enumerate() {
            let address = addresses[index].insert(train.destination.into());
            vectors[index] = iovec { iov_base: train.bytes.as_ptr().cast_mut().cast(), iov_len: train.bytes.len() };
            let header = &mut messages[index].msg_hdr;
            header.msg_name = address.as_ptr().cast_mut().cast();
            header.msg_namelen = address.len();
            header.msg_iov = &raw mut vectors[index];
            header.msg_iovlen = 1;
            if train.segments > 1 {
                write_segment_size(header, &mut controls[index], train.segment_size as u16);
            }
        }
        // SAFETY: the first `count` headers point to addresses, vectors and controls above and to the trains' bytes,
        // all of which outlive the call; the kernel only reads what they point to.
        let sent = unsafe { libc::sendmmsg(self.as_raw_fd(), messages.as_mut_ptr(), count as u32, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

fn write_segment_size(header: &mut msghdr, control: &mut Control, size: u16) {
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute. CMSG_FIRSTHDR gives the start of `control`, which is aligned and
    // has CONTROL_BYTES >= CMSG_SPACE(2) bytes, so that header and value lie within it.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(size_of::<u16>() as u32) as _;
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = libc::SOL_UDP;
        (*message).cmsg_type = UDP_SEGMENT;
        (*message).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        libc::CMSG_DATA(message).cast::<u16>().write_unaligned(size);
    }
}

/// One message as the kernel gave it: one datagram, or several of one sender.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    source: Option<SocketAddr>,
    len: usize,
    /// Length of each datagram but the last.
    segment_size: usize,
    stamp: Option<Duration>,
}

/// One received datagram.
#[derive(Debug)]
pub struct Received<'a> {
    pub source: SocketAddr,
    /// When the kernel got it, Unix time.
    pub stamp: Option<Duration>,
    pub bytes: &'a mut [u8],
}

/// The fixed buffers of a shard thread: [`BATCH`] messages.
#[derive(Debug)]
pub struct Receiver {
    buffer: Vec<u8>,
    slot_size: usize,
    slots: [Slot; BATCH],
    filled: usize,
    truncated: u64,
}

impl Receiver {
    /// `offload`: buffers large enough for messages of sockets with receive offload. Their pages cost memory only once
    /// they have been written to.
    pub fn new(offload: bool) -> Self {
        let slot_size = if offload { OFFLOAD_SLOT } else { PLAIN_SLOT };
        Self { buffer: vec![0; slot_size * BATCH], slot_size, slots: [Slot::default(); BATCH], filled: 0, truncated: 0 }
    }

    /// Takes what waits at the socket, at most [`BATCH`] messages; how many. `WouldBlock` when nothing waits.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        self.filled = 0;
        // Only the kernel writes these 4 KiB, and what it has not written is not read.
        let mut controls = [const { MaybeUninit::<Control>::uninit() }; BATCH];
        // SAFETY: all-zero bytes are valid for all three types: null pointers, zero lengths, an address of no family.
        let (mut vectors, mut messages, mut names): ([iovec; BATCH], [mmsghdr; BATCH], [sockaddr_in6; BATCH]) =
            unsafe { zeroed() };
        for (index, slot) in self.buffer.chunks_exact_mut(self.slot_size).enumerate() {
            vectors[index] = iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
            let header = &mut messages[index].msg_hdr;
            header.msg_name = (&raw mut names[index]).cast();
            header.msg_namelen = size_of::<sockaddr_in6>() as socklen_t;
            header.msg_iov = &raw mut vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = controls[index].as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
        }
        // SAFETY: each of the BATCH headers points to a name, a vector, a control buffer and a slot of its own with
        // their true lengths; all of them outlive the call and nothing else refers to them during it.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (index, (message, name)) in messages.iter().zip(&names).take(count).enumerate() {
            self.slots[index] = self.read_slot(message, name);
        }
        self.filled = count;
        Ok(count)
    }

    fn read_slot(&mut self, message: &mmsghdr, name: &sockaddr_in6) -> Slot {
        let header = &message.msg_hdr;
        if header.msg_flags & libc::MSG_TRUNC != 0 {
            self.truncated += 1;
            return Slot::default();
        }
        let len = (message.msg_len as usize).min(self.slot_size);
        let (stamp, segment_size) = read_control(header);
        Slot { source: read_name(name), len, segment_size: segment_size.filter(|size| *size > 0).unwrap_or(len), stamp }
    }

    /// The datagrams of the last [`Receiver::receive`], in the order of arrival.
    pub fn datagrams(&mut self) -> impl Iterator<Item = Received<'_>> {
        let slots = &self.slots[..self.filled];
        slots.iter().zip(self.buffer.chunks_exact_mut(self.slot_size)).flat_map(|(slot, buffer)| {
            let filled = &mut buffer[..slot.len];
            slot.source.into_iter().zip(std::iter::once(filled)).flat_map(move |(source, filled)| {
                filled.chunks_mut(slot.segment_size.max(1)).map(move |bytes| Received {
                    source,
                    stamp: slot.stamp,
                    bytes,
                })
            })
        })
    }

    /// Messages cut off so far because they were longer than a slot.
    pub fn truncated(&self) -> u64 {
        self.truncated
    }
}

/// The address that the kernel wrote: an IPv6 or an IPv4 one, which is shorter.
fn read_name(name: &sockaddr_in6) -> Option<SocketAddr> {
    match c_int::from(name.sin6_family) {
        libc::AF_INET => {
            // SAFETY: a sockaddr_in is shorter and no more strictly aligned, and any bytes are valid for it.
            let name = unsafe { &*(&raw const *name).cast::<sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddr::from((address, u16::from_be(name.sin_port))))
        }
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let (port, flow) = (u16::from_be(name.sin6_port), name.sin6_flowinfo);
            Some(SocketAddr::V6(SocketAddrV6::new(address, port, flow, name.sin6_scope_id)))
        }
        _ => None,
    }
}

/// Kernel timestamp (Unix time) and size of the segments, where the kernel says so.
fn read_control(header: &msghdr) -> (Option<Duration>, Option<usize>) {
    let (mut stamp, mut segment_size) = (None, None);
    // SAFETY: the kernel left a well-formed list of control messages in the buffer that `header` points to; the two
    // functions stay within `msg_controllen`.
    let mut next: *const cmsghdr = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: `next` is not null, so it points to a whole header within the control buffer, and CMSG_DATA to the
        // value behind it, whose type its level and kind tell.
        unsafe {
            match ((*next).cmsg_level, (*next).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time = libc::CMSG_DATA(next).cast::<libc::timespec>().read_unaligned();
                    stamp = Some(Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.clamp(0, 999_999_999) as u32));
                }
                (libc::SOL_UDP, UDP_GRO) => {
                    let size = libc::CMSG_DATA(next).cast::<c_int>().read_unaligned();
                    segment_size = usize::try_from(size).ok();
                }
                _ => {}
            }
            next = libc::CMSG_NXTHDR(header, next);
        }
    }
    (stamp, segment_size)
}

/// A flag with a file descriptor: raised by any thread, seen by `poll`.
#[derive(Debug)]
pub struct Notifier {
    file: File,
}

impl Notifier {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` has just been opened and nothing else owns it.
        Ok(Self { file: unsafe { File::from_raw_fd(fd) } })
    }

    /// Makes the descriptor readable. Cannot fail for a reason that matters: full means raised already.
    pub fn raise(&self) {
        let _ = (&self.file).write(&1u64.to_ne_bytes());
    }

    /// Takes the flag down.
    pub fn clear(&self) {
        let _ = (&self.file).read(&mut [0; 8]);
    }
}

impl AsRawFd for Notifier {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// Waits until one of the descriptors is ready for `events` or the time is over; which of them are.
pub fn wait(fds: &mut [libc::pollfd], timeout: Duration) -> io::Result<()> {
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
    };
    // SAFETY: pointer and length describe `fds`; the limit outlives the call; a null signal mask is allowed.
    let ready = unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, &raw const limit, std::ptr::null()) };
    match ready {
        0.. => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(error),
        },
    }
}

/// Keeps the calling thread on one processor.
pub fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: an all-zero set is the empty set; `cpu` lies within it; pointer and size describe it.
    let result = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Processor time, user and system, that the calling thread has used so far.
pub fn thread_cpu_time() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own that the kernel fills in.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.clamp(0, 999_999_999) as u32))
}
