//! rtnetlink(7): as much of it as moving a device takes.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// A link as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: i32,
    /// It was up when it was looked at.
    pub up: bool,
}

/// An address of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Bits of the network.
    pub prefix: u8,
    /// `IFA_ADDRESS`, `IFA_LOCAL`, `IFA_BROADCAST`: numbers and values, as they came.
    pub parts: Vec<(u16, Vec<u8>)>,
}

/// linux/netlink.h and linux/rtnetlink.h.
mod number {
    pub const ERROR: u16 = 2;
    pub const DONE: u16 = 3;
    pub const REQUEST: u16 = 1;
    pub const ACK: u16 = 4;
    pub const EXCL: u16 = 0x200;
    pub const DUMP: u16 = 0x300;
    pub const CREATE: u16 = 0x400;
    pub const NEW_LINK: u16 = 16;
    pub const GET_LINK: u16 = 18;
    pub const NEW_ADDR: u16 = 20;
    pub const GET_ADDR: u16 = 22;
    pub const IFLA_IFNAME: u16 = 3;
    pub const IFLA_NET_NS_FD: u16 = 28;
    pub const IFA_ADDRESS: u16 = 1;
    pub const IFA_LOCAL: u16 = 2;
    pub const IFA_BROADCAST: u16 = 4;
    pub const IFA_FLAGS: u16 = 8;
    pub const IFA_F_PERMANENT: u32 = 0x80;
    pub const IFF_UP: u32 = 1;
    pub const TYPE_MASK: u16 = 0x3fff;
}

const HEADER: usize = 16;
/// `struct ifinfomsg`, `struct ifaddrmsg`
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
/// The largest piece that the kernel makes of a dump.
const BUFFER: usize = 32 * 1024;

/// A socket of one network namespace, whichever its process is in later.
#[derive(Debug)]
pub struct Netlink(OwnedFd);

impl Netlink {
    /// Of the namespace that the calling process is in.
    ///
    /// # Errors
    /// That of socket(2).
    pub fn open() -> Result<Self, Errno> {
        socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )
        .map(Self)
    }

    /// The device `name`.
    ///
    /// # Errors
    /// `ENODEV`: there is none.
    pub fn link(&self, name: &str) -> Result<Link, Errno> {
        let mut message = Message::new(number::GET_LINK, number::REQUEST, &[0; LINK_HEADER]);
        message.attribute(number::IFLA_IFNAME, &terminated(name));
        let mut found = None;
        self.talk(message, &mut |kind, body| {
            if kind == number::NEW_LINK {
                let up = u32_at(body, 8).is_some_and(|flags| flags & number::IFF_UP != 0);
                found = i32_at(body, 4).map(|index| Link { index, up });
            }
        })?;
        found.ok_or(Errno::ENODEV)
    }

    /// Its permanent addresses of global scope, which are the ones that mean the same elsewhere.
    ///
    /// # Errors
    /// The kernel's.
    pub fn addresses(&self, link: Link) -> Result<Vec<Address>, Errno> {
        let flags = number::REQUEST | number::DUMP;
        let message = Message::new(number::GET_ADDR, flags, &[0; ADDRESS_HEADER]);
        let mut found = Vec::new();
        self.talk(message, &mut |kind, body| {
            if kind == number::NEW_ADDR
                && let Some(address) = address(body, link)
            {
                found.push(address);
            }
        })?;
        Ok(found)
    }

    /// Takes the device down, or brings it up.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_up(&self, link: Link, up: bool) -> Result<(), Errno> {
        let flags = if up { number::IFF_UP } else { 0 };
        let message = Message::new(
            number::NEW_LINK,
            number::REQUEST | number::ACK,
            &link_header(link, flags, number::IFF_UP),
        );
        self.talk(message, &mut |_, _| {})
    }

    /// Moves the device to the network namespace `target`, with the name `name` there, in one step.
    ///
    /// # Errors
    /// `EEXIST`: the name is taken there.
    pub fn relocate(&self, link: Link, target: &OwnedFd, name: &str) -> Result<(), Errno> {
        let mut message = Message::new(
            number::NEW_LINK,
            number::REQUEST | number::ACK,
            &link_header(link, 0, 0),
        );
        message.attribute(number::IFLA_IFNAME, &terminated(name));
        message.attribute(number::IFLA_NET_NS_FD, &target.as_raw_fd().to_ne_bytes());
        self.talk(message, &mut |_, _| {})
    }

    /// Gives the device an address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add_address(&self, link: Link, address: &Address) -> Result<(), Errno> {
        let mut header = [0; ADDRESS_HEADER];
        (header[0], header[1]) = (address.family, address.prefix);
        header[4..].copy_from_slice(&link.index.to_ne_bytes());
        let flags = number::REQUEST | number::ACK | number::CREATE | number::EXCL;
        let mut message = Message::new(number::NEW_ADDR, flags, &header);
        for (kind, value) in &address.parts {
            message.attribute(*kind, value);
        }
        self.talk(message, &mut |_, _| {})
    }

    /// Sends a request and shows each message of the answer to `each`: its type and what follows its header.
    fn talk(&self, message: Message, each: &mut dyn FnMut(u16, &[u8])) -> Result<(), Errno> {
        let dump = message.flags & number::DUMP == number::DUMP;
        let bytes = message.finish();
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.0.as_raw_fd(), &bytes, &kernel, MsgFlags::empty())?;
        let mut buffer = vec![0; BUFFER];
        loop {
            // The kernel answers while the request is sent: nothing is waited for.
            let count = match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let mut rest = buffer.get(..count).ok_or(Errno::EBADMSG)?;
            while let (Some(length), Some(kind)) = (u32_at(rest, 0), u16_at(rest, 4)) {
                let length = usize::try_from(length).map_err(|_| Errno::EBADMSG)?;
                let body = rest.get(HEADER..length).ok_or(Errno::EBADMSG)?;
                match kind {
                    number::DONE => return Ok(()),
                    number::ERROR => {
                        return match i32_at(body, 0).ok_or(Errno::EBADMSG)? {
                            0 => Ok(()),
                            errno => Err(Errno::from_raw(-errno)),
                        };
                    }
                    kind => each(kind, body),
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
            }
            if !dump {
                return Ok(());
            }
        }
    }
}

/// One of a dump, if it is of `link` and to be kept.
fn address(body: &[u8], link: Link) -> Option<Address> {
    let (family, prefix, scope) = (*body.first()?, *body.get(1)?, *body.get(3)?);
    let mut flags = u32::from(*body.get(2)?);
    let mut parts = Vec::new();
    let mut rest = body.get(ADDRESS_HEADER..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let value = rest.get(4..length)?;
        match kind & number::TYPE_MASK {
            number::IFA_FLAGS => flags = u32_at(value, 0)?,
            kind @ (number::IFA_ADDRESS | number::IFA_LOCAL | number::IFA_BROADCAST) => {
                parts.push((kind, value.to_vec()));
            }
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    // RT_SCOPE_UNIVERSE is 0.
    let kept = i32_at(body, 4)? == link.index && scope == 0 && flags & number::IFA_F_PERMANENT != 0;
    kept.then_some(Address {
        family,
        prefix,
        parts,
    })
}

/// A request that is being written.
struct Message {
    flags: u16,
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(header);
        Self { flags, bytes }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}

fn link_header(link: Link, flags: u32, change: u32) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    header[4..8].copy_from_slice(&link.index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..].copy_from_slice(&change.to_ne_bytes());
    header
}

fn terminated(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_ne_bytes)
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    array(bytes, at).map(i32::from_ne_bytes)
}
