//! A feed of games, and watching one of them.

use tallyho_replay::{Context, dispatch, site};

use crate::tallyup::api::get;
use crate::tallyup::documents::FeedItem;
use crate::tallyup::result::{CallError, Next};
use crate::tallyup::{Screen, TallyUp, UNIT, metrics};

impl TallyUp {
    /// Opens a feed: its type, and the event that it is about, if any.
    pub(super) async fn feed(&mut self, ctx: &mut Context, kind: &str, id: &str) -> Next {
        if self.screen == Screen::Feed || !self.dive() {
            return Next::Skipped;
        }
        self.screen = Screen::Feed;
        let next = Box::pin(self.feed_tab(ctx, (kind, id))).await;
        self.surface();
        next
    }

    async fn feed_tab(&mut self, ctx: &mut Context, which: (&str, &str)) -> Next {
        let Ok(games) = self.load_feed(ctx, which).await else { return Next::Error };
        let mut actions = self.actions("feed");
        let mut next = Next::Ok;
        while !ctx.stopping() {
            self.think(ctx, next).await;
            if ctx.stopping() {
                break;
            }
            next = dispatch!(ctx, actions, {
                "back": 25 * UNIT => Next::LeaveScreen,
                "idle": 50 * UNIT => self.idle(ctx, (5_000, 20_000)).await,
                "watchReplay": 25 * UNIT => self.watch_replay(ctx, &games).await,
            })
            .acted()
            .unwrap_or(Next::Skipped);
            if next.leaves() {
                return next.nested();
            }
        }
        Next::Done
    }

    /// Loads a feed: the games in it.
    pub(super) async fn load_feed(
        &mut self,
        ctx: &mut Context,
        (kind, id): (&str, &str),
    ) -> Result<Box<[FeedItem]>, CallError> {
        let about = if id.is_empty() { String::new() } else { format!("&id={id}") };
        let path = format!("feeds/activity?type={kind}{about}&offset=0&limit=40");
        let feed = self.call::<Box<[FeedItem]>>(ctx, &get("feeds/activity").at(path)).await?;
        Ok(feed.unwrap_or_default())
    }

    async fn watch_replay(&mut self, ctx: &mut Context, games: &[FeedItem]) -> Next {
        let mut draw = ctx.draw(site!("feed.game"));
        let Some(game) = draw.pick(games).filter(|game| !game.game_id.is_empty()) else {
            return Next::Skipped;
        };
        let path = format!("games/{}/watch", game.game_id);
        let next = self.act(ctx, &get("games/{id}/watch").at(path)).await;
        if next == Next::Ok {
            ctx.counter(metrics::REPLAYS_WATCHED, 1);
            self.pause(ctx, site!("feed.watch"), (10_000, 300_000)).await;
        }
        next
    }

    /// Looks at the screen for a time from this range, in milliseconds.
    pub(super) async fn idle(&mut self, ctx: &mut Context, range_ms: (u64, u64)) -> Next {
        self.pause(ctx, site!("idle"), range_ms).await;
        Next::Ok
    }
}
