//! The start of the program, in place of the C library's.
//!
//! glibc's static start asks the processor 43 times what it can do, to choose among its string functions. In a virtual
//! machine each `cpuid` is an exit to the hypervisor: measured, 5 µs each, 0.2 ms of a program's 0.5, and a container
//! boots this program twice. Here nobody asks; the string functions are those that every x86-64 can run. The steps
//! are otherwise glibc's, in its order, but for what only `dlopen` and `GLIBC_TUNABLES` need.
//!
//! The functions called here are glibc's own, and no interface: build.rs lets this module in with the releases that it
//! was checked against. It is a module of the binary only.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_long, c_void};

use libc::{Elf64_Ehdr, Elf64_Phdr};

type Strings = *mut *mut c_char;
type Constructor = extern "C" fn(c_int, Strings, Strings);

// SAFETY: declared as glibc 2.36 defines them (csu/libc-start.c, csu/libc-tls.c, elf/dl-support.c, csu/init-first.c,
// misc/init-misc.c); the array's bounds are the linker's.
unsafe extern "C" {
    static mut __environ: Strings;
    static mut __libc_stack_end: *mut c_void;
    static mut __libc_argc: c_int;
    static mut __libc_argv: Strings;
    static _dl_random: *const [usize; 2];
    static mut _dl_stack_flags: u32;
    static __ehdr_start: Elf64_Ehdr;
    static __init_array_start: [Constructor; 0];
    static __init_array_end: [Constructor; 0];
    fn _dl_aux_init(auxv: *const c_void);
    fn _dl_relocate_static_pie();
    fn __libc_setup_tls();
    fn __libc_early_init(initial: bool);
    fn __init_misc(argc: c_int, argv: Strings, envp: Strings);
    fn exit(status: c_int) -> !;
    fn main(argc: c_int, argv: Strings, envp: Strings) -> c_int;
}

// What glibc's start finds out about the caches. These are in the place of the object that holds glibc's start, which
// is therefore not linked. The values are those that it has before it asks, and for the largest of copies its usual ones.
macro_rules! caches {
    ($($name:ident: $bytes:expr,)*) => {
        // SAFETY: the one definition of each in the program, of glibc's type.
        $(#[unsafe(no_mangle)] #[used] static $name: c_long = $bytes;)*
    };
}
caches! {
    __x86_data_cache_size: 32 << 10,
    __x86_data_cache_size_half: 16 << 10,
    __x86_shared_cache_size: 1 << 20,
    __x86_shared_cache_size_half: 1 << 19,
    __x86_shared_non_temporal_threshold: 3 << 18,
    __x86_rep_movsb_threshold: 2048,
    __x86_rep_movsb_stop_threshold: 3 << 18,
    __x86_rep_stosb_threshold: 2048,
}
// SAFETY: as those above.
#[unsafe(no_mangle)]
#[used]
static __x86_string_control: c_int = 0;

/// Called by the C library's `_start` with main, argc, argv, three functions and, on the stack, the stack's end.
///
/// No address in the program's data is right before `_dl_relocate_static_pie`, not even those of functions that the
/// compiler calls through the data: so this much is written out. The program is position independent, and its
/// indirect functions are among its relocations.
// SAFETY: the one definition in the program. It does not return.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn __libc_start_main() -> ! {
    std::arch::naked_asm!(
        "mov ebx, esi",
        "mov r12, rdx",
        "mov r13, [rsp + 8]",
        "sub rsp, 8",
        // Behind argv and its null comes envp, behind envp and its null the auxiliary vector (System V ABI).
        "movsxd rax, esi",
        "lea rdi, [rdx + rax * 8 + 8]",
        "2:",
        "mov rax, [rdi]",
        "add rdi, 8",
        "test rax, rax",
        "jnz 2b",
        "call {aux_init}",
        "call {relocate}",
        "mov edi, ebx",
        "mov rsi, r12",
        "mov rdx, r13",
        "call {relocated}",
        "ud2",
        aux_init = sym _dl_aux_init,
        relocate = sym _dl_relocate_static_pie,
        relocated = sym relocated,
    )
}

/// The rest of the start. There is no errno before `__libc_setup_tls`.
unsafe extern "C" fn relocated(argc: c_int, argv: Strings, stack_end: *mut c_void) -> ! {
    // SAFETY: argv as the kernel made it, envp behind it; the steps are in glibc's order, each once, in a process of
    // one thread.
    unsafe {
        let envp = argv.offset(argc as isize + 1);
        __environ = envp;
        __libc_stack_end = stack_end;
        __libc_setup_tls();
        let [stack, pointer] = _dl_random.read_unaligned();
        // The canary of the C library's own functions, whose first byte is 0 so that no string holds it, and the key
        // to its stored pointers.
        std::arch::asm!("mov fs:[0x28], {}", in(reg) stack & !0xff, options(nostack, preserves_flags));
        std::arch::asm!("mov fs:[0x30], {}", in(reg) pointer, options(nostack, preserves_flags));
        __libc_early_init(true);
        __libc_argc = argc;
        __libc_argv = argv;
        protect();
        __init_misc(argc, argv, envp);
        let mut constructor = (&raw const __init_array_start).cast::<Constructor>();
        while constructor < (&raw const __init_array_end).cast() {
            (*constructor)(argc, argv, envp);
            constructor = constructor.add(1);
        }
        exit(main(argc, argv, envp))
    }
}

/// What the linker and the relocations filled in is read-only from here on, tables of functions among it (PT_GNU_RELRO); and
/// stacks of threads are not executable (PT_GNU_STACK), which glibc takes for granted only when it has read it here.
///
/// # Safety
/// The program is relocated and has one thread.
#[allow(clippy::cast_possible_truncation)] // an address has 64 bits here, in ELF headers too
unsafe fn protect() {
    const PAGE: usize = 4096;
    // SAFETY: the linker puts the program headers behind the ELF header, in the first segment; the range is of this program's
    // own data, which is written by nobody but the relocations. An address that the kernel refuses ends the program.
    unsafe {
        let base = &raw const __ehdr_start;
        let headers: *const Elf64_Phdr = base.byte_add((*base).e_phoff as usize).cast();
        for header in std::slice::from_raw_parts(headers, (*base).e_phnum.into()) {
            match header.p_type {
                libc::PT_GNU_STACK => _dl_stack_flags = header.p_flags,
                libc::PT_GNU_RELRO => {
                    let start = base.addr() + header.p_vaddr as usize;
                    let end = (start + header.p_memsz as usize) & !(PAGE - 1);
                    let start = base.byte_add((start & !(PAGE - 1)) - base.addr());
                    let length = end - start.addr();
                    let refused = libc::mprotect(start.cast_mut().cast(), length, libc::PROT_READ);
                    if refused != 0 {
                        // Nothing of the command line is read yet: neither a log file nor its format is known.
                        let cause = std::io::Error::last_os_error();
                        let text = format!(
                            "runc-rs: cannot make the program's relocated data read-only: mprotect: {cause}\n"
                        );
                        libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len());
                        exit(127);
                    }
                }
                _ => {}
            }
        }
    }
}
