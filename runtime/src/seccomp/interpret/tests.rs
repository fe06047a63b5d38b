//! Programs written by hand. `tests/seccomp_kernel.rs` asks the kernel about random ones.

use super::*;

const fn op(code: u16, k: u32) -> Instruction {
    jump(code, 0, 0, k)
}

const fn jump(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

const JEQ: u16 = JMP | 0x10;
const JGT: u16 = JMP | 0x20;
const JGE: u16 = JMP | 0x30;
const JSET: u16 = JMP | 0x40;

fn run(code: &[Instruction], data: &Data) -> (u32, usize) {
    Program::new(code).expect("a valid program").run(data)
}

#[test]
fn every_word_of_the_data_is_where_the_kernel_has_it() {
    let data = Data {
        nr: 0x0100,
        arch: 0x0101,
        ip: 0x0103_0000_0102,
        args: std::array::from_fn(|i| {
            let word = 0x0104 + 2 * i as u64;
            (word + 1) << 32 | word
        }),
    };
    for word in 0..16 {
        let code = [op(LD_ABS, word * 4), op(RET_A, 0)];
        assert_eq!(run(&code, &data), (0x0100 + word, 2));
    }
}

#[test]
fn comparisons_are_unsigned_and_choose_their_way() {
    let answer = |code, a, k| {
        let program = [
            op(LD_IMM, a),
            jump(code, 1, 0, k),
            op(RET_K, 0),
            op(RET_K, 1),
        ];
        run(&program, &Data::default()).0 == 1
    };
    for (code, a, k, yes) in [
        (JEQ, 7, 7, true),
        (JEQ, 7, 8, false),
        (JGT, 0x8000_0000, 1, true),
        (JGT, 5, 5, false),
        (JGE, 5, 5, true),
        (JGE, 1, 0xffff_ffff, false),
        (JSET, 6, 2, true),
        (JSET, 6, 9, false),
    ] {
        assert_eq!(answer(code, a, k), yes, "{code:#x} {a:#x} {k:#x}");
    }
}

#[test]
fn arithmetic_is_of_32_bits() {
    let answer = |code: u16, a, k| {
        run(
            &[op(LD_IMM, a), op(ALU | code, k), op(RET_A, 0)],
            &Data::default(),
        )
        .0
    };
    assert_eq!(answer(0x00, u32::MAX, 2), 1);
    assert_eq!(answer(0x10, 1, 2), u32::MAX);
    assert_eq!(answer(0x20, 0x1_0001, 0x1_0000), 0x1_0000);
    assert_eq!(answer(0x30, 7, 2), 3);
    assert_eq!(answer(0x40, 5, 2), 7);
    assert_eq!(answer(0x50, 6, 3), 2);
    assert_eq!(answer(0x60, 3, 31), 1 << 31);
    assert_eq!(answer(0x70, 1 << 31, 31), 1);
    assert_eq!(answer(0xa0, 6, 3), 5);
    assert_eq!(answer(0x80, 1, 0), u32::MAX);
    let by_x = |x| {
        let code = [
            op(LDX_IMM, x),
            op(LD_IMM, 7),
            op(ALU | 0x30 | X, 0),
            op(RET_A, 0),
        ];
        run(&code, &Data::default())
    };
    assert_eq!(by_x(2), (3, 4));
    assert_eq!(by_x(0), (0, 3), "the program ends");
}

#[test]
fn memory_and_registers() {
    let code = [
        op(LD_IMM, 5),
        op(ST, 15),
        op(TAX, 0),
        op(LD_LEN, 0),
        op(ALU | X, 0),
        op(STX, 0),
        op(LDX_MEM, 15),
        op(TXA, 0),
        op(LDX_LEN, 0),
        op(ALU | X, 0),
        op(RET_A, 0),
    ];
    assert_eq!(run(&code, &Data::default()), (69, 11));
}

#[test]
fn a_long_jump_and_the_longest_program() {
    let mut code = vec![op(JA, 4094)];
    code.resize(4095, op(RET_K, 1));
    code.push(op(RET_K, 2));
    assert_eq!(run(&code, &Data::default()), (2, 2));
    code.push(op(RET_K, 3));
    assert_eq!(Program::new(&code).err(), Some(Invalid::Length(4097)));
}

#[test]
fn what_the_kernel_refuses() {
    let end = op(RET_K, 0);
    let refused = |one: Instruction| Program::new(&[one, end]).err();
    let at = 0;
    assert_eq!(Program::new(&[]).err(), Some(Invalid::Length(0)));
    assert_eq!(Program::new(&[op(LD_IMM, 1)]).err(), Some(Invalid::End));
    for k in [64, 68, 2, 61, u32::MAX] {
        assert_eq!(refused(op(LD_ABS, k)), Some(Invalid::Operand { at, k }));
    }
    // LDH, LDB, LDX MSH, MOD, RET X, a jump by less, a bit too many.
    for code in [
        0x28,
        0x30,
        0xb1,
        ALU | 0x90,
        ALU | 0x98,
        0x0e,
        JMP | 0x50,
        LD_IMM | 0x100,
        0xffff,
    ] {
        assert_eq!(refused(op(code, 1)), Some(Invalid::Operation { at, code }));
    }
    for (code, k) in [
        (ALU | 0x30, 0),
        (ALU | 0x60, 32),
        (ALU | 0x70, 40),
        (ST, 16),
        (LD_MEM, 16),
    ] {
        assert_eq!(refused(op(code, k)), Some(Invalid::Operand { at, k }));
    }
    for one in [
        op(JA, 1),
        op(JA, u32::MAX),
        jump(JEQ, 1, 0, 0),
        jump(JEQ, 0, 255, 0),
    ] {
        assert_eq!(refused(one), Some(Invalid::Jump { at }));
    }
    assert_eq!(refused(op(LD_MEM, 0)), Some(Invalid::Memory { at: 0 }));
    // Written on one of two ways.
    let code = [jump(JEQ, 0, 1, 0), op(ST, 3), op(LDX_MEM, 3), end];
    assert_eq!(Program::new(&code).err(), Some(Invalid::Memory { at: 2 }));
    let code = [
        op(ST, 3),
        jump(JEQ, 0, 1, 0),
        op(ST, 4),
        op(LDX_MEM, 3),
        end,
    ];
    assert!(Program::new(&code).is_ok());
}
