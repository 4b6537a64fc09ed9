//! The start of a session: login, registration, provisioning, and what the app loads.

use serde_json::json;
use tallyho_replay::Context;

use crate::tallyup::TallyUp;
use crate::tallyup::api::{get, post};
use crate::tallyup::documents::{InviteStatus, ItemType, Level, User};
use crate::tallyup::result::CallError;

/// The API's code for an account that has no user yet.
const USER_NOT_FOUND: u64 = 5;

impl TallyUp {
    /// Loads the app.
    ///
    /// # Errors
    /// Without a user there is no session.
    pub(in crate::tallyup) async fn loading(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        let startup = json!({"foregrounded": false, "installed": false});
        self.call_only(ctx, &post("startup", &startup)).await?;
        self.log_in(ctx).await?;
        self.start_session(ctx).await?;
        self.provision(ctx).await?;
        self.load_config(ctx).await
    }

    /// The account's user; a new account registers one.
    async fn start_session(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        let call = post("users/session_start", &json!({})).excused(USER_NOT_FOUND);
        let user = match self.call::<User>(ctx, &call).await {
            Err(error) if error.code() == USER_NOT_FOUND => {
                self.call::<User>(ctx, &post("users/register", &json!({}))).await?
            }
            answer => answer?,
        };
        self.user = user.unwrap_or_default();
        if self.user.invite_data.status != InviteStatus::Playing {
            let activate = json!({"username": self.identity.username()});
            self.call_for_user(ctx, &post("users/activate", &activate)).await?;
        }
        Ok(())
    }

    /// Gives the user what a player of the test needs: rank, games, money, spins.
    async fn provision(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        if self.user.rank < 20 {
            self.call_for_user(ctx, &post("users/set_xp", &json!({"xp": 1_734}))).await?;
        }
        let games = &self.user.available_games;
        let unlocks = [
            ("CrystalCaveGame", games.crystal_cave_game.is_unlocked),
            ("ShootingGalleryGame", games.shooting_gallery_game.is_unlocked),
            ("AsteroidGame", games.asteroid_game.is_unlocked),
        ];
        for (game, _) in unlocks.iter().filter(|(_, is_unlocked)| !is_unlocked) {
            self.call_for_user(ctx, &post("users/unlock_game", &json!({"game": game}))).await?;
        }
        let amount = self.config.min_balance;
        if self.user.account < amount {
            self.call_for_user(ctx, &post("users/set_balance", &json!({"amount": amount}))).await?;
        }
        if self.user.secondary_account < 100 {
            let call = post("users/set_secondary_balance", &json!({"amount": 100}));
            self.call_for_user(ctx, &call).await?;
        }
        for (item, quantity) in [(ItemType::MegaSpin, 500), (ItemType::BasicSpin, 1_000)] {
            if !self.user.inventory.iter().any(|owned| owned.item_type == item) {
                let body = json!({"item": item.as_str(), "quantity": quantity});
                self.call_for_user(ctx, &post("users/add_item", &body)).await?;
            }
        }
        Ok(())
    }

    async fn load_config(&mut self, ctx: &mut Context) -> Result<(), CallError> {
        self.load_levels(ctx).await?;
        self.call_only(ctx, &get("config/appData")).await?;
        self.refresh_user(ctx).await?;
        self.call_only(ctx, &get("config/charitydata")).await
    }

    pub(in crate::tallyup) async fn load_levels(
        &mut self,
        ctx: &mut Context,
    ) -> Result<(), CallError> {
        let towers = self.call::<Vec<Vec<Level>>>(ctx, &get("config/towerdata")).await?;
        let levels = towers.unwrap_or_default().into_iter().flatten();
        let available: Vec<Level> = levels.filter(|level| level.available).collect();
        self.levels.max = available.iter().map(|level| level.level).max().unwrap_or(0);
        let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let unlocks = available.iter();
        self.levels.unlocks =
            unlocks.map(|level| (short(level.level), short(level.unlocks_at_rank))).collect();
        Ok(())
    }
}
