//! `domkeep prune`.

use clap::Args as ClapArgs;

use super::{Given, Going};

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Prune {
    /// Where the backups lie: the destination, or one host's or domain's directory in it
    pub directory: String,
    /// Only the restore points of this domain
    #[arg(long, value_name = "DOMAIN")]
    pub only: Option<String>,
    /// Keep so many of the newest
    #[arg(long, value_name = "NUMBER")]
    pub keep_last: Option<String>,
    /// Keep the newest of each day (UTC), for so many days that have one
    #[arg(long, value_name = "NUMBER")]
    pub keep_daily: Option<String>,
    /// Keep the newest of each week, for so many weeks that have one
    #[arg(long, value_name = "NUMBER")]
    pub keep_weekly: Option<String>,
    /// Keep the newest of each month, for so many months that have one
    #[arg(long, value_name = "NUMBER")]
    pub keep_monthly: Option<String>,
    /// Keep what is younger than so many days, whatever the rules say
    #[arg(long, value_name = "DAYS")]
    pub min_age: Option<String>,
    #[command(flatten)]
    pub going: Going,
}

impl Prune {
    pub fn given(&self) -> Given<'_> {
        vec![
            ("directory", Some(&self.directory)),
            ("only", self.only.as_ref()),
            ("keep-last", self.keep_last.as_ref()),
            ("keep-daily", self.keep_daily.as_ref()),
            ("keep-weekly", self.keep_weekly.as_ref()),
            ("keep-monthly", self.keep_monthly.as_ref()),
            ("min-age", self.min_age.as_ref()),
        ]
    }
}
