//! The WGSL text of a kernel and its binding contract. Knows no wgpu.
//!
//! A kernel is one WGSL file from `shaders/`, preceded by named fragments of `shaders/lib/`.
//! What a device compiles is [`Kernel::text`]: a short prelude of plain WGSL declarations
//! (element type, workgroup size, constants), then those files as they stand.
//!
//! The contract is the same for every kernel: one bind group, the parameters as a uniform at
//! binding 0, the storage buffers of [`Kernel::bindings`] at 1, 2, …, entry point `main`.

use std::fmt::{self, Write};

/// Element type of a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DType {
    /// 32-bit float.
    F32,
    /// 16-bit float: storage only, every kernel computes in f32.
    F16,
    /// 32-bit unsigned integer: bits and indices.
    U32,
}

impl DType {
    /// Bytes of one element.
    pub fn size(self) -> u64 {
        match self {
            DType::F32 | DType::U32 => 4,
            DType::F16 => 2,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::U32 => "u32",
        })
    }
}

/// How a kernel uses a binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`, written in full and never read before that.
    Write,
    /// `var<storage, read_write>`, read and written in place. Only what optimisers keep between steps is bound so.
    Update,
    /// `var<storage, read_write>`, a sum: a call that binds it for writing stores its own, one that binds it for updating
    /// adds to what earlier calls left.
    Sum,
}

/// Element type of a binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Elem {
    /// `array<Elem>`: the storage type that the pipeline is built for.
    Storage,
    /// `array<f32>` whatever the storage type is: learned scalars, energies, gradients of parameters.
    F32,
    /// `array<u32>`.
    U32,
    /// `array<u32>` over the bits of a tensor of any type.
    Words,
}

/// One storage buffer of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The variable's name in the WGSL text.
    pub name: &'static str,
    /// Read or written.
    pub access: Access,
    /// Element type.
    pub elem: Elem,
    /// Extents, for people.
    pub shape: &'static str,
}

/// A binding that the kernel reads.
pub const fn input(name: &'static str, elem: Elem, shape: &'static str) -> Binding {
    Binding { name, access: Access::Read, elem, shape }
}

/// A binding that the kernel writes.
pub const fn output(name: &'static str, elem: Elem, shape: &'static str) -> Binding {
    Binding { name, access: Access::Write, elem, shape }
}

/// A binding that the kernel updates in place.
pub const fn update(name: &'static str, elem: Elem, shape: &'static str) -> Binding {
    Binding { name, access: Access::Update, elem, shape }
}

/// A binding of sums that the kernel writes, or adds to.
pub const fn sum(name: &'static str, elem: Elem, shape: &'static str) -> Binding {
    Binding { name, access: Access::Sum, elem, shape }
}

/// Scalar type of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scalar {
    /// `u32`.
    U32,
    /// `f32`.
    F32,
}

/// One member of the uniform `Params`; members are 4 bytes each, in order, without gaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Member name.
    pub name: &'static str,
    /// Member type.
    pub ty: Scalar,
}

/// Parameters of a kernel as the 32-bit words of its uniform. Declared with [`params!`](crate::params).
pub trait Params {
    /// The members, in order.
    const FIELDS: &'static [Field];
    /// The members' bits, in order.
    fn words(&self) -> Vec<u32>;
}

/// A compile-time constant of a kernel, printed into the prelude as `const NAME: u32 = …u;`.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    /// Name in the WGSL text.
    pub name: &'static str,
    /// The values that the library uses; tools validate the kernel for each.
    pub values: &'static [u32],
}

/// The WGSL text of a kernel, and whether this library answers for it.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    text: &'static str,
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    vouched: bool,
    cooperative: bool,
}

impl Source {
    /// A program's own text. It is compiled with all of wgpu's runtime checks.
    pub const fn new(text: &'static str) -> Source {
        Source { text, vouched: false, cooperative: false }
    }

    /// A text of this library, whose loops are known to end: the counters that wgpu puts into loops stay out.
    pub(crate) const fn of_library(text: &'static str) -> Source {
        Source { text, vouched: true, cooperative: false }
    }

    /// The same text with cooperative matrices: `Left`, `Right` and `Sum` of edge `EDGE`, a constant of the kernel, whose
    /// storage is f16.
    pub const fn cooperative(self) -> Source {
        Source { cooperative: true, ..self }
    }

    /// Whether the text multiplies cooperative matrices: not WGSL, but an extension of wgpu's.
    pub const fn is_cooperative(&self) -> bool {
        self.cooperative
    }

    /// The text.
    pub const fn text(&self) -> &'static str {
        self.text
    }

    #[cfg(feature = "gpu")]
    pub(crate) const fn is_vouched(&self) -> bool {
        self.vouched
    }
}

/// A WGSL kernel: its name, its text and its binding contract.
#[derive(Debug)]
pub struct Kernel {
    /// The stem of `shaders/<name>.wgsl`.
    pub name: &'static str,
    /// Library fragments of `shaders/lib/`, then the kernel's file.
    pub source: Source,
    /// Members of the uniform at binding 0.
    pub params: &'static [Field],
    /// Storage buffers at bindings 1, 2, ….
    pub bindings: &'static [Binding],
    /// Compile-time constants besides `WG`.
    pub constants: &'static [Constant],
}

/// Invocations in a workgroup of every kernel: a multiple of every common subgroup size, and
/// small enough for software drivers, which pay per workgroup for each barrier.
pub const WORKGROUP: u32 = 64;

impl Kernel {
    /// Whether the kernel has a text per storage type. A kernel without has one text, for `F32`.
    pub fn is_generic(&self) -> bool {
        self.bindings.iter().any(|b| matches!(b.elem, Elem::Storage))
    }

    /// The complete WGSL text for storage in `dtype` with the given constants.
    ///
    /// `U32` storage is what kernels without a generic binding ignore; it prints like `F32`.
    pub fn text(&self, dtype: DType, constants: &[(&'static str, u32)]) -> String {
        let mut text = String::with_capacity(self.source.text.len() + 128);
        if self.is_generic() {
            text.push_str(match dtype {
                DType::F16 => "enable f16;\nalias Elem = f16;\n",
                DType::F32 | DType::U32 => "alias Elem = f32;\n",
            });
        }
        if self.source.cooperative {
            let edge = constants.iter().find(|(name, _)| *name == "EDGE").map_or(16, |(_, edge)| *edge);
            text.insert_str(0, "enable wgpu_cooperative_matrix;\n");
            for (alias, ty, role) in [("Left", "f16", "A"), ("Right", "f16", "B"), ("Sum", "f32", "C")] {
                let _ = writeln!(text, "alias {alias} = coop_mat{edge}x{edge}<{ty}, {role}>;");
            }
        }
        let _ = writeln!(text, "const WG: u32 = {WORKGROUP}u;");
        for (name, value) in constants {
            let _ = writeln!(text, "const {name}: u32 = {value}u;");
        }
        text.push_str(self.source.text);
        text
    }

    /// Kernel, storage type and constants in one line: `matmul_reg f32 ACROSS=8`.
    pub fn variant_name(&self, dtype: DType, constants: &[(&'static str, u32)]) -> String {
        let mut name = format!("{} {dtype}", self.name);
        for (constant, value) in constants {
            let _ = write!(name, " {constant}={value}");
        }
        name
    }

    /// Every combination of constants that the library uses; one empty list if there are none.
    pub fn constant_sets(&self) -> Vec<Vec<(&'static str, u32)>> {
        let mut sets = vec![vec![]];
        for constant in self.constants {
            sets = sets
                .into_iter()
                .flat_map(|set| {
                    constant.values.iter().map(move |value| {
                        let mut set = set.clone();
                        set.push((constant.name, *value));
                        set
                    })
                })
                .collect();
        }
        sets
    }

    /// The storage types that the kernel has a text for.
    pub fn dtypes(&self) -> &'static [DType] {
        if self.source.cooperative {
            return &[DType::F16];
        }
        if self.is_generic() { &[DType::F32, DType::F16] } else { &[DType::F32] }
    }
}

/// `source!("sphere_step", "grid", "sphere")`: `shaders/lib/grid.wgsl`, `shaders/lib/sphere.wgsl`,
/// then `shaders/sphere_step.wgsl`, joined at compile time.
macro_rules! source {
    ($file:literal $(, $lib:literal)*) => {
        $crate::kernel::Source::of_library(concat!(
            $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/lib/", $lib, ".wgsl")), "\n",)*
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file, ".wgsl"))
        ))
    };
}
pub(crate) use source;

/// Declares the parameters of a kernel once for the host: a struct of `u32` and `f32` members that
/// implements [`Params`](crate::kernel::Params). The WGSL file declares `struct Params` with the same members; a test
/// compares the two.
///
/// ```
/// kuramoto::params! {
///     /// Sizes of the toy kernel.
///     pub struct Toy { len: u32, alpha: f32 }
/// }
/// ```
#[macro_export]
macro_rules! params {
    (@scalar u32) => { $crate::kernel::Scalar::U32 };
    (@scalar f32) => { $crate::kernel::Scalar::F32 };
    (@bits u32, $value:expr) => { $value };
    (@bits f32, $value:expr) => { f32::to_bits($value) };
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($field_vis:vis $field:ident: $ty:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        $vis struct $name { $($field_vis $field: $ty),* }

        impl $crate::kernel::Params for $name {
            const FIELDS: &'static [$crate::kernel::Field] = &[
                $($crate::kernel::Field { name: stringify!($field), ty: $crate::params!(@scalar $ty) }),*
            ];
            fn words(&self) -> Vec<u32> {
                vec![$($crate::params!(@bits $ty, self.$field)),*]
            }
        }
    };
}
