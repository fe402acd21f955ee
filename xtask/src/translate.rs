//! Kernel texts through naga: parsed, validated, and written in the languages of every backend.

use kuramoto::{DType, Kernel};
use naga::back::{glsl, hlsl, msl, spv, wgsl};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// One text of a kernel: what a device compiles.
pub struct Variant {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Storage type.
    pub dtype: DType,
    /// Its constants.
    pub constants: Vec<(&'static str, u32)>,
}

impl Variant {
    /// Every text of every kernel of the library.
    pub fn all() -> Vec<Variant> {
        kuramoto::ops::kernels().into_iter().flat_map(Variant::of).collect()
    }

    /// Every text of `kernel`.
    pub fn of(kernel: &'static Kernel) -> Vec<Variant> {
        let sets = kernel.constant_sets();
        let with = |dtype: &DType| {
            let dtype = *dtype;
            sets.iter().map(move |constants| Variant { kernel, dtype, constants: constants.clone() })
        };
        kernel.dtypes().iter().flat_map(with).collect()
    }

    /// The WGSL text.
    pub fn text(&self) -> String {
        self.kernel.text(self.dtype, &self.constants)
    }

    /// Whether the text needs the feature for 16-bit floats.
    pub fn uses_f16(&self) -> bool {
        self.dtype == DType::F16 && self.kernel.is_generic()
    }

    /// Whether the text multiplies cooperative matrices, which no WGSL but wgpu's has.
    pub fn is_cooperative(&self) -> bool {
        self.kernel.source.is_cooperative()
    }

    /// A name that is also a file's: kernel, constants, storage type.
    pub fn name(&self) -> String {
        let constants: String = self.constants.iter().map(|(name, value)| format!("-{name}{value}")).collect();
        format!("{}{constants}.{}", self.kernel.name, self.dtype)
    }

    /// Parses and validates the text.
    ///
    /// # Errors
    /// naga's complaint, with the place in the text.
    pub fn validate(&self) -> Result<Valid, String> {
        let text = self.text();
        let name = self.name();
        let module =
            naga::front::wgsl::parse_str(&text).map_err(|e| e.emit_to_string_with_path(&text, name.as_str()))?;
        // What the library asks of a device, and nothing else.
        let mut capabilities = Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP;
        capabilities.set(Capabilities::COOPERATIVE_MATRIX, self.is_cooperative());
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .map_err(|e| e.emit_to_string_with_path(&text, &name))?;
        let entry = module.entry_points.iter().any(|e| e.name == ENTRY && e.stage == naga::ShaderStage::Compute);
        if entry { Ok(Valid { module, info }) } else { Err(format!("{name}: no compute entry point `{ENTRY}`")) }
    }
}

const ENTRY: &str = "main";

/// A validated module.
pub struct Valid {
    module: naga::Module,
    info: ModuleInfo,
}

/// A language that naga writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// Vulkan.
    SpirV,
    /// Metal.
    Msl,
    /// DirectX 12.
    Hlsl,
    /// OpenGL.
    Glsl,
    /// Back to WGSL.
    Wgsl,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 5] = [Language::SpirV, Language::Msl, Language::Hlsl, Language::Glsl, Language::Wgsl];

    /// What files of this language end in.
    pub fn extension(self) -> &'static str {
        match self {
            Language::SpirV => "spv",
            Language::Msl => "metal",
            Language::Hlsl => "hlsl",
            Language::Glsl => "comp",
            Language::Wgsl => "wgsl",
        }
    }

    /// The name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Language::SpirV => "SPIR-V",
            Language::Msl => "MSL",
            Language::Hlsl => "HLSL",
            Language::Glsl => "GLSL",
            Language::Wgsl => "WGSL",
        }
    }

    /// Why naga has no text in this language for `variant`, where that is known and no fault of the kernel.
    pub fn lacks(self, variant: &Variant) -> Option<&'static str> {
        if variant.is_cooperative() && !matches!(self, Language::SpirV | Language::Msl) {
            return Some("naga writes cooperative matrices in SPIR-V and MSL alone");
        }
        (self == Language::Glsl && variant.uses_f16()).then_some("naga writes no 16-bit floats in GLSL")
    }

    /// The module in this language.
    ///
    /// # Errors
    /// The writer's complaint.
    pub fn write(self, valid: &Valid) -> Result<Vec<u8>, String> {
        let Valid { module, info } = valid;
        let stage = naga::ShaderStage::Compute;
        match self {
            Language::SpirV => {
                let options = spv::Options { lang_version: (1, 3), ..Default::default() };
                let entry = spv::PipelineOptions { shader_stage: stage, entry_point: ENTRY.to_owned() };
                let words = spv::write_vec(module, info, &options, Some(&entry)).map_err(|e| e.to_string())?;
                Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
            }
            Language::Msl => {
                let options = msl::Options { lang_version: (2, 4), ..Default::default() };
                let entry = msl::PipelineOptions::default();
                let (text, translation) =
                    msl::write_string(module, info, &options, &entry).map_err(|e| e.to_string())?;
                for name in translation.entry_point_names {
                    name.map_err(|e| e.to_string())?;
                }
                Ok(text.into_bytes())
            }
            Language::Hlsl => {
                // 16-bit floats came with shader model 6.2.
                let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_2, ..Default::default() };
                let mut text = String::new();
                let entry = hlsl::PipelineOptions::default();
                let reflection = hlsl::Writer::new(&mut text, &options, &entry)
                    .write(module, info, None)
                    .map_err(|e| e.to_string())?;
                for name in reflection.entry_point_names {
                    name.map_err(|e| e.to_string())?;
                }
                Ok(text.into_bytes())
            }
            Language::Glsl => {
                let options = glsl::Options { version: glsl::Version::Desktop(430), ..Default::default() };
                let entry =
                    glsl::PipelineOptions { shader_stage: stage, entry_point: ENTRY.to_owned(), multiview: None };
                let mut text = String::new();
                let policies = naga::proc::BoundsCheckPolicies::default();
                glsl::Writer::new(&mut text, module, info, &options, &entry, policies)
                    .and_then(|mut writer| writer.write())
                    .map_err(|e| e.to_string())?;
                Ok(text.into_bytes())
            }
            Language::Wgsl => {
                let flags = wgsl::WriterFlags::empty();
                wgsl::write_string(module, info, flags).map(String::into_bytes).map_err(|e| e.to_string())
            }
        }
    }
}
