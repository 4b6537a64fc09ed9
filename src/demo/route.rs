//! Which endpoint a request is for.
//!
//! One table is the whole API: method, path, and who may ask. Statistics name an endpoint by its
//! template, so ids in paths never make a name of their own.

use crate::demo::message::Method;

/// Where the API's paths begin.
const API: &str = "/api/v1/";

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone.
    Open,
    /// Who has logged in.
    Account,
    /// Who has logged in and registered.
    User,
}

/// The endpoint, and the part of the path that its template calls `{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) route: Route,
    pub(super) id: &'a str,
}

macro_rules! routes {
    (
        whole { $($whole:ident $whole_method:ident $whole_path:literal $whole_access:ident)* }
        api { $($name:ident $method:ident $path:literal $access:ident)* }
        api_with_id { $($with:ident $with_method:ident $prefix:literal $suffix:literal
            $with_access:ident)* }
    ) => {
        /// The endpoints.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Route { $($whole,)* $($name,)* $($with,)* Unmatched }

        impl Route {
            /// Every endpoint, in the order of the discriminants.
            pub(super) const ALL: &[Self] = &[
                $(Self::$whole,)* $(Self::$name,)* $(Self::$with,)* Self::Unmatched,
            ];

            /// Method and path template, for example `GET /api/v1/games/{id}`.
            pub(super) fn template(self) -> (Method, &'static str) {
                match self {
                    $(Self::$whole => (Method::$whole_method, $whole_path),)*
                    $(Self::$name => (Method::$method, concat!("/api/v1/", $path)),)*
                    $(Self::$with => (
                        Method::$with_method,
                        concat!("/api/v1/", $prefix, "{id}", $suffix),
                    ),)*
                    Self::Unmatched => (Method::Other, "(unmatched)"),
                }
            }

            pub(super) const fn access(self) -> Access {
                match self {
                    $(Self::$whole => Access::$whole_access,)*
                    $(Self::$name => Access::$access,)*
                    $(Self::$with => Access::$with_access,)*
                    Self::Unmatched => Access::Open,
                }
            }
        }

        fn find_whole(method: Method, path: &str) -> Option<Route> {
            match (method, path) {
                $((Method::$whole_method, $whole_path) => Some(Route::$whole),)*
                // Cognito is a host of its own; a client may be given a path on this one instead.
                (Method::Post, "/cognito" | "/cognito/") => Some(Route::Cognito),
                _ => None,
            }
        }

        fn find_in_api<'a>(method: Method, path: &'a str) -> Option<Found<'a>> {
            let route = match (method, path) {
                $((Method::$method, $path) => Route::$name,)*
                _ => return find_with_id(method, path),
            };
            Some(Found { route, id: "" })
        }

        fn find_with_id<'a>(method: Method, path: &'a str) -> Option<Found<'a>> {
            $(if method == Method::$with_method && let Some(id) = between(path, $prefix, $suffix) {
                return Some(Found { route: Route::$with, id });
            })*
            None
        }
    };
}

routes! {
    whole {
        Health Get "/health" Open
        Stats Get "/_stats" Open
        Cognito Post "/" Open
    }
    api {
        Startup Post "startup" Open
        SessionStart Post "users/session_start" Account
        Register Post "users/register" Account
        Activate Post "users/activate" User
        User Get "users" User
        SetProfile Post "users" User
        SetXp Post "users/set_xp" User
        UnlockGame Post "users/unlock_game" User
        SetBalance Post "users/set_balance" User
        SetSecondaryBalance Post "users/set_secondary_balance" User
        AddItem Post "users/add_item" User
        ProgressTrackers Get "users/progress_trackers" User
        ClaimGoal Post "users/progress_trackers/claim" User
        ActiveCount Get "users/active_count" User
        UserStats Get "users/stats" User
        FindUser Get "users/find" User
        FindStats Get "users/find_stats" User
        FindChallengees Get "users/find_challengees" User
        Leaderboard Get "users/leaderboard" User
        SetInviter Post "users/set_inviter" User
        UseItem Post "users/use_item" User
        CashoutStart Post "users/cashout_start" User
        CashoutFinish Post "users/cashout_finish" User
        AdStart Post "ads/start" User
        AdFinish Post "ads/finish" User
        TowerData Get "config/towerdata" Account
        AppData Get "config/appData" Account
        CharityData Get "config/charitydata" Account
        Events Get "special_events" User
        JoinEvent Post "special_events/join" User
        RejoinEvent Post "special_events/rejoin" User
        ClaimPrize Post "special_events/claim" User
        ActivityFeed Get "feeds/activity" User
        RequestMatch Post "games/request_match" User
        AcceptMatch Post "games/accept_match" User
        DeclineMatch Post "games/decline_match" User
        AcknowledgeMatch Post "games/acknowledge_match" User
        CancelRequestLevel Post "games/cancel_request_level" User
        SetFlag Post "testing/flags" Account
        TestingEvents Get "testing/special_events" Account
        CreateEvent Post "testing/special_events" Account
        CleanSessions Post "testing/users/clean_sessions" Account
    }
    api_with_id {
        Event Get "special_events/" "" User
        InviteOnlyEvent Get "special_events/invite_only/" "" User
        Game Get "games/" "" User
        WatchGame Get "games/" "/watch" User
        GameEvent Post "games/" "/event" User
        GameAnswer Post "games/" "/answer" User
        SetupFlag Get "testing/flags/" "/setup" Account
        CancelEvent Post "testing/special_events/" "/cancel" Account
    }
}

/// The endpoint of a method and a path without its query.
pub(super) fn find(method: Method, path: &str) -> Option<Found<'_>> {
    match path.strip_prefix(API) {
        Some(path) => find_in_api(method, path),
        None => find_whole(method, path).map(|route| Found { route, id: "" }),
    }
}

/// Whether a path that [`find`] did not find exists with the other method.
pub(super) fn is_path(path: &str) -> bool {
    [Method::Get, Method::Post].iter().any(|&method| find(method, path).is_some())
}

/// What stands between a prefix and a suffix, if it is one segment of a path.
fn between<'a>(path: &'a str, prefix: &str, suffix: &str) -> Option<&'a str> {
    let id = path.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_by_its_own_template() {
        for &route in Route::ALL.iter().filter(|&&route| route != Route::Unmatched) {
            let (method, template) = route.template();
            let path = template.replace("{id}", "x1");
            let id = if template.contains("{id}") { "x1" } else { "" };
            assert_eq!(find(method, &path), Some(Found { route, id }), "{template}");
        }
    }

    #[test]
    fn every_endpoint_is_in_the_manual() {
        let manual = include_str!("../../docs/stand-in-api.md");
        for &route in Route::ALL.iter().filter(|&&route| route != Route::Unmatched) {
            let (method, template) = route.template();
            let access = match route.access() {
                Access::Open => "-",
                Access::Account => "account",
                Access::User => "user",
            };
            let row = format!("| `{} {template}` | {access} | ", method.as_str());
            assert!(manual.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_discriminant_is_the_place_in_the_list() {
        for (place, &route) in Route::ALL.iter().enumerate() {
            assert_eq!(route as usize, place);
        }
    }

    #[test]
    fn every_call_of_the_clients_has_an_endpoint() {
        let gets = "users users/progress_trackers users/active_count users/stats users/find \
            users/find_stats users/find_challengees users/leaderboard config/towerdata \
            config/appData config/charitydata special_events special_events/e1 \
            special_events/invite_only/CODE_1 feeds/activity games/g1 games/g1/watch \
            testing/flags/t1/setup testing/special_events";
        let posts = "startup users users/session_start users/register users/activate \
            users/set_xp users/unlock_game users/set_balance users/set_secondary_balance \
            users/add_item users/progress_trackers/claim users/set_inviter users/use_item \
            users/cashout_start users/cashout_finish ads/start ads/finish special_events/join \
            special_events/rejoin special_events/claim games/request_match games/accept_match \
            games/decline_match games/acknowledge_match games/cancel_request_level \
            games/g1/event games/g1/answer testing/flags testing/special_events \
            testing/special_events/e1/cancel testing/users/clean_sessions";
        for (method, paths) in [(Method::Get, gets), (Method::Post, posts)] {
            for path in paths.split_whitespace() {
                assert!(find(method, &format!("/api/v1/{path}")).is_some(), "{path}");
            }
        }
    }

    #[test]
    fn unknown_paths_are_not_found_and_wrong_methods_are_told_apart() {
        assert_eq!(find(Method::Get, "/api/v1/user"), None);
        assert_eq!(find(Method::Get, "/api/v1/special_events/"), None);
        assert_eq!(find(Method::Get, "/api/v1/special_events/a/b"), None);
        assert_eq!(find(Method::Get, "/api/v1/users/register"), None);
        assert!(is_path("/api/v1/users/register"));
        assert!(!is_path("/api/v1/user"));
        let cognito = Some(Found { route: Route::Cognito, id: "" });
        assert_eq!(find(Method::Post, "/cognito/"), cognito);
    }
}
