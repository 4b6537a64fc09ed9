//! The wallet: spins and cashing out; one thing is done, then the screen closes.

use serde_json::json;
use tallyho_replay::{Context, Site, dispatch, site};

use super::screen;
use super::settings::CASH_OUT_MIN;
use crate::tallyup::api::post;
use crate::tallyup::documents::{CashOut, ItemType};
use crate::tallyup::result::Next;
use crate::tallyup::{TallyUp, UNIT, metrics};

/// A whole item: quantities are in hundredths.
const ONE_ITEM: u64 = 100;

impl TallyUp {
    screen!(
        /// Opens the wallet.
        wallet, wallet_screen, Wallet
    );

    async fn wallet_screen(&mut self, ctx: &mut Context) -> Next {
        self.think(ctx, Next::Ok).await;
        let mut actions = self.actions("walletDetails");
        dispatch!(ctx, actions, {
            "back": 25 * UNIT => Next::LeaveScreen,
            "cashOut": 10 * UNIT, if self.user.account >= CASH_OUT_MIN =>
                self.cash_out(ctx).await,
            "spin": 65 * UNIT => self.spin(ctx).await,
        })
        .acted()
        .unwrap_or(Next::Skipped)
        .nested()
    }

    /// Cashes out everything: a drawn share for charity, the rest for the player.
    pub(super) async fn cash_out(&mut self, ctx: &mut Context) -> Next {
        let start = post("users/cashout_start", &json!({}));
        match self.call::<CashOut>(ctx, &start).await {
            Ok(Some(answer)) if answer.is_allowed => {}
            Ok(_) => return Next::Ok,
            Err(_) => return Next::Error,
        }
        let percent = 10 + rounded(ctx, site!("cashOut.charity"), 90);
        let charity = self.user.account * percent / 100;
        let player = self.user.account - charity;
        self.pause(ctx, site!("cashOut.form"), (1_000, 30_000)).await;
        let body = json!({
            "charityPercent": percent,
            "desiredCharityAmount": charity,
            "desiredPlayerAmount": player,
            "payee": self.payee(),
        });
        self.act_for_user(ctx, &post("users/cashout_finish", &body)).await
    }

    /// Where prizes and money go.
    pub(in crate::tallyup) fn payee(&self) -> String {
        format!("{}@loadtest.tallyup.com", self.identity)
    }

    /// Watches an ad and spins a wheel.
    pub(super) async fn spin(&mut self, ctx: &mut Context) -> Next {
        if self.act(ctx, &post("ads/start", &json!({}))).await != Next::Ok {
            return Next::Error;
        }
        self.pause(ctx, site!("spin.ad"), (5_000, 35_000)).await;
        if self.act(ctx, &post("ads/finish", &json!({}))).await != Next::Ok {
            return Next::Error;
        }
        let Some(item) = self.usable_spin(ctx, site!("spin.wheel")) else {
            ctx.counter(metrics::NO_SPINS, 1);
            return Next::Ok;
        };
        let body = json!({"itemType": item.as_str()});
        let next = self.act_for_user(ctx, &post("users/use_item", &body)).await;
        if next == Next::Ok {
            let is_mega = item == ItemType::MegaSpin;
            ctx.counter(if is_mega { metrics::MEGA_SPINS } else { metrics::BASIC_SPINS }, 1);
        }
        next
    }

    /// The wheel that is spun, if one can be: with both, either.
    pub(super) fn usable_spin(&self, ctx: &Context, site: Site) -> Option<ItemType> {
        let now_ms = self.date_ms(ctx);
        let is_usable = |wanted| {
            self.user.inventory.iter().any(|item| {
                item.item_type == wanted && item.quantity >= ONE_ITEM && item.next_use_ts <= now_ms
            })
        };
        match (is_usable(ItemType::MegaSpin), is_usable(ItemType::BasicSpin)) {
            (true, true) if ctx.draw(site).chance(1, 2) => Some(ItemType::MegaSpin),
            (true, false) => Some(ItemType::MegaSpin),
            (_, true) => Some(ItemType::BasicSpin),
            (false, false) => None,
        }
    }
}

/// `round(most * u)` with `u` uniform in 0 to 1: both ends come half as often as what is between.
pub(in crate::tallyup) fn rounded(ctx: &Context, site: Site, most: u64) -> u64 {
    let mut draw = ctx.draw(site);
    if most == 0 { 0 } else { draw.below(2 * most).div_ceil(2) }
}
