//! Which addresses a host's connections go to: overrides, the order of families, who gets which.
//!
//! k6's `hosts` and `dns`, and curl's `--connect-to`. All of them change where a connection goes
//! and nothing else: the Host header, the name in TLS and the origin in a trace stay as they were.
//! Knows nothing of sockets: it turns names into names, and orders addresses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How names become addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Where connections go in place of where they were meant to; the first that fits.
    pub redirections: Vec<Redirection>,
    /// How long an answer is used before the name is looked up again.
    pub ttl: Duration,
    /// Which of several addresses a connection goes to.
    pub select: Select,
    /// Which family is used.
    pub policy: Policy,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            redirections: Vec::new(),
            ttl: Duration::from_secs(300),
            select: Select::default(),
            policy: Policy::default(),
        }
    }
}

/// Which of several addresses a connection goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// Bots are dealt over the addresses, and each keeps its own.
    #[default]
    RoundRobin,
    /// A new one for each connection.
    Random,
    /// The first for all.
    First,
}

/// Which family is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// IPv4, and IPv6 only where that is refused or there is none.
    #[default]
    PreferIpv4,
    /// IPv6, and IPv4 only where that is refused or there is none.
    PreferIpv6,
    /// IPv4 only.
    OnlyIpv4,
    /// IPv6 only.
    OnlyIpv6,
    /// Both alike.
    Any,
}

/// Sends the connections of a host elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// None: any. `*.` in front: all below.
    host: Option<String>,
    /// None: any.
    port: Option<u16>,
    /// None: as it was.
    to_host: Option<String>,
    /// None: as it was.
    to_port: Option<u16>,
}

impl Redirection {
    /// Reads curl's `HOST:PORT:HOST2:PORT2`, of which each may be empty.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn connect_to(text: &str) -> Result<Self, String> {
        let help = "write for example example.org:443:10.0.0.5:8443";
        let parts = split(text);
        let [host, port, to_host, to_port] = parts.as_slice() else {
            return Err(format!("`{text}` has not four parts; {help}"));
        };
        let number = |port: &str| match port {
            "" => Ok(None),
            port => port.parse().map(Some).map_err(|_| format!("`{port}` is no port; {help}")),
        };
        let name = |host: &str| (!host.is_empty()).then(|| bare(host).to_owned());
        Ok(Self {
            host: name(host),
            port: number(port)?,
            to_host: name(to_host),
            to_port: number(to_port)?,
        })
    }

    /// Reads a member of k6's `hosts`: `HOST` or `HOST:PORT`, and an address with or without port.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn of_hosts(host: &str, address: &str) -> Result<Self, String> {
        let of_text = |text: &str| -> Option<(String, Option<u16>)> {
            let parts = split(text);
            match parts.as_slice() {
                [host] if !host.is_empty() => Some((bare(host).to_owned(), None)),
                [host, port] if !host.is_empty() => {
                    Some((bare(host).to_owned(), Some(port.parse().ok()?)))
                }
                _ => None,
            }
        };
        let wrong = |text: &str| format!("`{text}` is neither a host nor a host with a port");
        let (host, port) = of_text(host).ok_or_else(|| wrong(host))?;
        let (to_host, to_port) = match address.parse::<IpAddr>() {
            Ok(_) => (address.to_owned(), None),
            Err(_) => of_text(address).ok_or_else(|| wrong(address))?,
        };
        if to_host.parse::<IpAddr>().is_err() {
            return Err(format!("`{address}` is no address; write for example 10.0.0.5:8443"));
        }
        Ok(Self { host: Some(host), port, to_host: Some(to_host), to_port })
    }

    /// The more a redirection asks for, the earlier it is looked at: ports, names, wildcards.
    #[must_use]
    pub fn rank(&self) -> impl Ord + use<> {
        let host = self.host.as_deref().unwrap_or_default();
        let is_wild = host.starts_with("*.");
        (self.port.is_none(), is_wild, std::cmp::Reverse(host.len()))
    }

    fn fits(&self, host: &str, port: u16) -> bool {
        let is_host = match self.host.as_deref() {
            None => true,
            Some(wanted) => is_below(wanted, host) || wanted.eq_ignore_ascii_case(host),
        };
        is_host && self.port.is_none_or(|wanted| wanted == port)
    }
}

/// Whether a name is one of those that `*.example.org` stands for.
pub(super) fn is_below(pattern: &str, name: &str) -> bool {
    let Some(parent) = pattern.strip_prefix('*').filter(|parent| parent.starts_with('.')) else {
        return false;
    };
    let Some(start) = name.len().checked_sub(parent.len()).filter(|start| *start > 0) else {
        return false;
    };
    name.is_char_boundary(start) && name[start..].eq_ignore_ascii_case(parent)
}

/// At colons, except those within the brackets of an IPv6 address.
fn split(text: &str) -> Vec<&str> {
    let mut is_bracketed = false;
    let at_colon = |c: char| {
        is_bracketed = (is_bracketed || c == '[') && c != ']';
        c == ':' && !is_bracketed
    };
    text.split(at_colon).collect()
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl Names {
    /// Where connections to a host go.
    pub(super) fn redirect<'a>(&'a self, host: &'a str, port: u16) -> (&'a str, u16) {
        match self.redirections.iter().find(|redirection| redirection.fits(host, port)) {
            Some(to) => (to.to_host.as_deref().unwrap_or(host), to.to_port.unwrap_or(port)),
            None => (host, port),
        }
    }

    /// The addresses that may be used, those that are preferred first; none may be left.
    pub(super) fn order(&self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        match self.policy {
            Policy::PreferIpv4 => addresses.sort_by_key(SocketAddr::is_ipv6),
            Policy::PreferIpv6 => addresses.sort_by_key(SocketAddr::is_ipv4),
            Policy::OnlyIpv4 => addresses.retain(SocketAddr::is_ipv4),
            Policy::OnlyIpv6 => addresses.retain(SocketAddr::is_ipv6),
            Policy::Any => {}
        }
        addresses
    }

    /// The place in `addresses` to try at this attempt of a bot's connect. Connects are spread over
    /// the preferred addresses; the others are for when those refuse.
    pub(super) fn place(&self, addresses: &[SocketAddr], connect: Connect) -> usize {
        let is_preferred = |address: &&SocketAddr| {
            self.policy == Policy::Any || address.is_ipv4() == addresses[0].is_ipv4()
        };
        let preferred = addresses.iter().take_while(is_preferred).count();
        if connect.attempt >= preferred {
            return connect.attempt;
        }
        let first = match self.select {
            Select::First => 0,
            Select::RoundRobin => connect.bot,
            Select::Random => scattered(connect.bot, connect.number),
        };
        (first % preferred + connect.attempt) % preferred
    }
}

/// A connect of a bot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connect {
    /// The bot's number on this machine.
    pub(super) bot: usize,
    /// How many connects there were before.
    pub(super) number: u64,
    /// How many addresses it has tried before.
    pub(super) attempt: usize,
}

/// A number without a pattern: which address a connection goes to is no choice of a session, so it
/// is not drawn from the seed.
fn scattered(bot: usize, number: u64) -> usize {
    let mut x = (bot as u64) << 32 ^ number;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((x ^ (x >> 31)) >> 33).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(redirections: Vec<Redirection>) -> Names {
        Names { redirections, ..Names::default() }
    }

    #[test]
    fn connect_to_means_what_it_means_to_curl() {
        let to = |text| Redirection::connect_to(text).expect("valid");
        let names = names(vec![
            to("example.org:443:10.0.0.5:8443"),
            to("example.org::other.example:"),
            to(":81:[::1]:"),
        ]);
        assert_eq!(names.redirect("example.org", 443), ("10.0.0.5", 8443));
        assert_eq!(names.redirect("EXAMPLE.org", 80), ("other.example", 80));
        assert_eq!(names.redirect("anything", 81), ("::1", 81));
        assert_eq!(names.redirect("anything", 82), ("anything", 82));
        for wrong in ["", "a:1:b", "a:x:b:1", "a:1:b:2:3", "a:1:b:99999"] {
            assert!(Redirection::connect_to(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_mean_what_they_mean_to_k6_and_the_closest_one_counts() {
        let of = |host, to| Redirection::of_hosts(host, to).expect("valid");
        let mut redirections = vec![
            of("*.example.org", "10.0.0.1"),
            of("*.a.example.org", "10.0.0.2"),
            of("b.example.org", "10.0.0.3:81"),
            of("b.example.org:443", "[::1]:8443"),
        ];
        redirections.sort_by_key(Redirection::rank);
        let names = names(redirections);
        assert_eq!(names.redirect("x.example.org", 80), ("10.0.0.1", 80));
        assert_eq!(names.redirect("x.a.example.org", 80), ("10.0.0.2", 80));
        assert_eq!(names.redirect("b.example.org", 80), ("10.0.0.3", 81));
        assert_eq!(names.redirect("b.example.org", 443), ("::1", 8443));
        assert_eq!(names.redirect("example.org", 80), ("example.org", 80));
        assert!(Redirection::of_hosts("a", "no-address").is_err());
        assert!(Redirection::of_hosts("a:b:c", "10.0.0.1").is_err());
    }

    #[test]
    fn bots_are_dealt_over_preferred_addresses_and_fall_back_to_all() {
        let addresses = ["[::1]:1", "10.0.0.1:1", "10.0.0.2:1"];
        let addresses = addresses.map(|address| address.parse().expect("an address"));
        let names = Names::default();
        let ordered = names.order(addresses.to_vec());
        let tried = |bot| {
            [0, 1, 2].map(|attempt| {
                ordered[names.place(&ordered, Connect { bot, number: 0, attempt })].to_string()
            })
        };
        assert_eq!(tried(0), ["10.0.0.1:1", "10.0.0.2:1", "[::1]:1"]);
        assert_eq!(tried(1), ["10.0.0.2:1", "10.0.0.1:1", "[::1]:1"]);
        assert_eq!(tried(2), tried(0));
        let only = Names { policy: Policy::OnlyIpv6, ..Names::default() };
        assert_eq!(only.order(addresses.to_vec()).len(), 1);
        let random = Names { select: Select::Random, ..Names::default() };
        let counts = (0..1000u64)
            .map(|number| random.place(&ordered, Connect { bot: 7, number, attempt: 0 }));
        let first = counts.filter(|place| *place == 0).count();
        assert!((400..600).contains(&first), "{first} of 1000");
    }
}
