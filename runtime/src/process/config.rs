//! What the `Config` message carries: the plan, and what else init must know.

use serde::{Deserialize, Serialize};

use crate::hooks::About;
use crate::plan::InitPlan;
use crate::rootfs::CgroupView;

/// The payload of `Config`, as init reads it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InitConfig {
    /// The container.
    pub plan: InitPlan,
    /// For `type: cgroup` mounts.
    pub cgroups: CgroupView,
    /// The name of the session keyring to join; `None` with `--no-new-keyring`.
    pub keyring: Option<String>,
    /// Is there a listener for starters among init's descriptors?
    pub listener: bool,
    /// Is there a console socket among init's descriptors?
    pub console: bool,
    /// For init's hooks; `None`: there are none.
    pub about: Option<About>,
    /// The places in the plan of the mounts whose sources are among init's descriptors, in that order.
    pub trees: Vec<u32>,
    /// Is there a time namespace to join among init's descriptors?
    pub time: bool,
}

/// The same, as the creator writes it: field by field like [`InitConfig`].
#[derive(Debug, Serialize)]
pub struct InitConfigRef<'a> {
    /// [`InitConfig::plan`]
    pub plan: &'a InitPlan,
    /// [`InitConfig::cgroups`]
    pub cgroups: &'a CgroupView,
    /// [`InitConfig::keyring`]
    pub keyring: Option<&'a str>,
    /// [`InitConfig::listener`]
    pub listener: bool,
    /// [`InitConfig::console`]
    pub console: bool,
    /// [`InitConfig::about`]
    pub about: Option<&'a About>,
    /// [`InitConfig::trees`]
    pub trees: &'a [u32],
    /// [`InitConfig::time`]
    pub time: bool,
}

impl InitConfigRef<'_> {
    /// As bytes (postcard).
    ///
    /// # Errors
    /// None in practice: every type of the plan has a form.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(self)
    }
}

impl InitConfig {
    /// From the bytes of [`InitConfigRef::encode`]; all of them must be used.
    ///
    /// # Errors
    /// Where the bytes are not such a payload.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        match postcard::take_from_bytes(bytes)? {
            (config, []) => Ok(config),
            _ => Err(postcard::Error::DeserializeUnexpectedEnd),
        }
    }
}
