//! Integration tests: one module for each part of the behaviour that a user or an engine can see.
//!
//! They need root, a static busybox and a kernel; see the `integration` crate for the rules.
#![allow(clippy::unwrap_used)]

mod attributes;
mod bad_input;
mod cgroups;
mod cgroups_v2;
mod cgroups_v2_devices;
mod cgroups_v2_end;
mod cgroups_v2_places;
mod conformance;
mod console_socket;
mod crash;
mod crash_commands;
mod differential;
mod events;
mod exec;
mod exec_fails;
mod exec_tty;
mod exec_where;
mod explain;
mod hangs;
mod hangs_seccomp;
mod hangs_stopped;
mod harness;
mod hooks;
mod hooks_where;
mod idmapped;
mod join;
mod labels;
mod lifecycle;
mod limits;
mod list;
mod matrix;
mod mount_options;
mod mounts;
mod namespaces;
mod net_devices;
mod pause;
mod preserve_fds;
mod process;
mod ps;
mod races;
mod races_commands;
mod rootless;
mod seccomp;
mod seccomp_agent;
mod security;
mod sysctl;
mod timens;
mod tty;
mod unprivileged_maps;
mod update;
mod userns;
