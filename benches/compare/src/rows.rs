//! What is compared with what, and the targets.

use crate::clients::{Client, Driver, Load, Recording};
use crate::servers::Kind;

/// Clients that play the same load against the same server, one after the other in each round.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) server: Kind,
    pub(crate) connections: usize,
    pub(crate) load: Load,
    pub(crate) pairs: Vec<Pair>,
}

/// A line of the table: client CPU per request of one as a multiple of another's.
pub(crate) struct Pair {
    pub(crate) subject: Client,
    pub(crate) against: Against,
    /// The most that the ratio may be; none where nothing was promised.
    pub(crate) target: Option<f64>,
}

/// What a client is compared with.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Against {
    Client(Client),
    /// k6, or where it is not installed so many times wrk's single GET: measured once with k6 2.2.0
    /// on one core of a machine of the kind that this was written on.
    K6 {
        times_wrk: f64,
    },
}

const URING: Client = Client::Tallyho(Driver::Uring, Recording::On);
const EPOLL: Client = Client::Tallyho(Driver::Epoll, Recording::On);
/// k6: 66 us for a GET, where wrk took 6.1.
const K6_GET: Against = Against::K6 { times_wrk: 66.0 / 6.1 };
/// k6: 122 us for a request of the flow.
const K6_FLOW: Against = Against::K6 { times_wrk: 122.0 / 6.1 };

fn pair(subject: Client, against: Against, target: f64) -> Pair {
    Pair { subject, against, target: Some(target) }
}

/// Both drivers beside wrk.
fn beside_wrk(uring: f64, epoll: f64) -> Vec<Pair> {
    let wrk = Against::Client(Client::Wrk);
    vec![pair(URING, wrk, uring), pair(EPOLL, wrk, epoll)]
}

/// All groups, in the order of the table.
pub(crate) fn all() -> Vec<Group> {
    let off = |driver| Against::Client(Client::Tallyho(driver, Recording::Off));
    let floor = |driver| Against::Client(Client::Floor(driver));
    let mut plain = beside_wrk(0.85, 0.90);
    plain.extend([
        pair(URING, floor(Driver::Uring), 1.15),
        Pair { subject: EPOLL, against: floor(Driver::Epoll), target: None },
        pair(URING, off(Driver::Uring), 1.03),
        pair(EPOLL, off(Driver::Epoll), 1.03),
        pair(URING, Against::Client(Client::Oha), 0.65),
        pair(EPOLL, Against::Client(Client::Oha), 0.65),
        pair(URING, K6_GET, 1.0 / 12.0),
        pair(EPOLL, K6_GET, 1.0 / 12.0),
    ]);
    let https_flow = vec![
        Pair { subject: URING, against: Against::Client(Client::K6), target: None },
        Pair { subject: EPOLL, against: Against::Client(Client::K6), target: None },
    ];
    let group =
        |name, server, connections, load, pairs| Group { name, server, connections, load, pairs };
    vec![
        group("plain, 64", Kind::Fast, 64, Load::Get, plain),
        group("plain, 1,000", Kind::Fast, 1_000, Load::Get, beside_wrk(0.80, 0.85)),
        group("plain, 64, nginx", Kind::Nginx, 64, Load::Get, beside_wrk(1.0, 1.0)),
        group("HTTPS, 64, nginx", Kind::NginxTls, 64, Load::Get, beside_wrk(0.92, 0.92)),
        group("HTTPS, 1,000, nginx", Kind::NginxTls, 1_000, Load::Get, beside_wrk(0.65, 0.65)),
        group(
            "flow of 5, 64",
            Kind::Fast,
            64,
            Load::Flow,
            vec![pair(EPOLL, K6_FLOW, 1.0 / 18.0), pair(URING, K6_FLOW, 1.0 / 18.0)],
        ),
        group("flow of 5, HTTPS, 64, nginx", Kind::NginxTls, 64, Load::Flow, https_flow),
    ]
}

impl Group {
    /// Who must play for the pairs, each once.
    pub(crate) fn clients(&self, has_k6: bool) -> Vec<Client> {
        let mut clients = Vec::new();
        for pair in &self.pairs {
            let other = match pair.against {
                Against::Client(client) => client,
                Against::K6 { .. } if has_k6 => Client::K6,
                Against::K6 { .. } => Client::Wrk,
            };
            for client in [other, pair.subject] {
                if !clients.contains(&client) {
                    clients.push(client);
                }
            }
        }
        clients
    }
}
