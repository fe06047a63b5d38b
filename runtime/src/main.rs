//! The binary. Re-executed as `runc-rs init` it is the container's init, until it becomes the user's program.

fn main() {
    std::process::exit(runc_rs::cli::main(std::env::args_os()));
}
