//! Sessions that can be resumed: those of one bot, or those that all bots share.
//!
//! rustls's own store makes room for eight tickets a server, of which a bot, with one connection
//! per host, can use one; at ten thousand bots the difference is tens of megabytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// Hosts that a bot remembers; more than one client talks to.
const SERVERS_MAX: usize = 16;
/// Tickets of a host that all bots share: as many as may be handed out before new ones come.
const SHARED_TICKETS_MAX: usize = 4096;

/// A store of sessions. rustls wants it to be shareable; one bot's never is contended.
#[derive(Debug)]
pub(super) struct Sessions {
    tickets_max: usize,
    servers: Mutex<Vec<Remembered>>,
}

/// What is kept of one server.
#[derive(Debug)]
struct Remembered {
    name: ServerName<'static>,
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tickets: VecDeque<Tls13ClientSessionValue>,
}

impl Sessions {
    pub(super) fn of_one_bot() -> Arc<Self> {
        Arc::new(Self { tickets_max: 1, servers: Mutex::default() })
    }

    pub(super) fn shared() -> Arc<Self> {
        Arc::new(Self { tickets_max: SHARED_TICKETS_MAX, servers: Mutex::default() })
    }

    fn servers(&self) -> MutexGuard<'_, Vec<Remembered>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, name: ServerName<'static>, change: impl FnOnce(&mut Remembered)) {
        let mut servers = self.servers();
        if let Some(known) = servers.iter_mut().find(|known| known.name == name) {
            return change(known);
        }
        if servers.len() == SERVERS_MAX {
            servers.remove(0);
        }
        let mut new = Remembered { name, group: None, tls12: None, tickets: VecDeque::new() };
        change(&mut new);
        // Most bots talk to one, and there may be many bots.
        servers.reserve_exact(1);
        servers.push(new);
    }

    fn look<T>(
        &self,
        name: &ServerName<'_>,
        look: impl FnOnce(&mut Remembered) -> Option<T>,
    ) -> Option<T> {
        self.servers().iter_mut().find(|known| known.name == *name).and_then(look)
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.change(name, |known| known.group = Some(group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.look(name, |known| known.group)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.change(name, |known| known.tls12 = Some(value));
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.look(name, |known| known.tls12.clone())
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.look(name, |known| known.tls12.take());
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        let tickets_max = self.tickets_max;
        self.change(name, |known| {
            if known.tickets.len() == tickets_max {
                known.tickets.pop_front();
            }
            known.tickets.push_back(value);
        });
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.look(name, |known| known.tickets.pop_back())
    }
}
