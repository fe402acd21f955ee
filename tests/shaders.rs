//! Every WGSL text that the library can hand to a device, judged without one: it parses, asks for nothing unusual, is
//! what its contract says, and has no barrier that only some invocations reach.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use kuramoto::kernel::{Access, DType, Elem, Kernel, Scalar, WORKGROUP};
use kuramoto::ops;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{
    AddressSpace, Binding, Block, BuiltIn, Expression, Function, Handle, LocalVariable, Module, ScalarKind, Statement,
    StorageAccess, TypeInner,
};

fn parse(text: &str) -> Module {
    naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)))
}

fn validate(module: &Module, capabilities: Capabilities) -> Result<ModuleInfo, String> {
    Validator::new(ValidationFlags::all(), capabilities).validate(module).map_err(|e| format!("{:?}", e.into_inner()))
}

/// Every kernel, storage type and set of constants.
fn texts() -> Vec<(&'static Kernel, DType, String, Module)> {
    let mut all = Vec::new();
    for kernel in ops::kernels() {
        for dtype in kernel.dtypes() {
            for constants in kernel.constant_sets() {
                let text = kernel.text(*dtype, &constants);
                let module = parse(&text);
                all.push((kernel, *dtype, format!("{} {dtype} {constants:?}", kernel.name), module));
            }
        }
    }
    assert!(all.len() > 40, "only {} texts", all.len());
    all
}

#[test]
fn every_text_is_valid_with_no_capability_but_f16_storage_and_what_it_says() {
    for (kernel, dtype, name, module) in texts() {
        let mut capabilities = match dtype {
            DType::F16 => Capabilities::SHADER_FLOAT16,
            _ => Capabilities::empty(),
        };
        if kernel.source.is_cooperative() {
            capabilities |= Capabilities::SUBGROUP | Capabilities::COOPERATIVE_MATRIX;
        }
        validate(&module, capabilities).unwrap_or_else(|e| panic!("{name}: {e}"));
        if dtype == DType::F16 {
            // Or the line above would prove nothing.
            assert!(validate(&module, Capabilities::empty()).is_err(), "{name} needs no f16");
        }
    }
}

#[test]
fn every_text_has_one_entry_point_called_main_with_the_agreed_workgroup() {
    for (kernel, _, name, module) in texts() {
        let [entry] = &module.entry_points[..] else { panic!("{name}: {} entry points", module.entry_points.len()) };
        // A product by cooperative matrices is four subgroups' work; the library asks for room before it runs.
        let lanes = || name.split_once("\"LANES\", ")?.1.split(')').next()?.parse::<u32>().ok();
        let invocations = match kernel.source.is_cooperative() {
            true => 4 * lanes().unwrap_or_else(|| panic!("{name} says no LANES")),
            false => WORKGROUP,
        };
        assert_eq!((entry.name.as_str(), entry.workgroup_size), ("main", [invocations, 1, 1]), "{name}");
        assert_eq!(entry.stage, naga::ShaderStage::Compute, "{name}");
    }
}

#[test]
fn workgroup_memory_fits_the_limit_of_every_device() {
    for (kernel, _, name, module) in texts() {
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == AddressSpace::WorkGroup)
            .map(|(_, v)| layouter[v.ty].to_stride())
            .sum();
        // WebGPU's default limit; twice that where the library asks for room before it runs.
        let most = if kernel.source.is_cooperative() { 32 << 10 } else { 16 << 10 };
        assert!(bytes <= most, "{name}: {bytes} bytes");
    }
}

#[test]
fn the_uniform_is_the_contracts_params_member_by_member() {
    for (kernel, _, name, module) in texts() {
        let uniforms: Vec<_> =
            module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::Uniform).map(|(_, v)| v).collect();
        let [uniform] = uniforms[..] else { panic!("{name}: {} uniforms", uniforms.len()) };
        let at = uniform.binding.expect("a uniform has a binding");
        assert_eq!((uniform.name.as_deref(), at.group, at.binding), (Some("params"), 0, 0), "{name}");
        let ty = &module.types[uniform.ty];
        assert_eq!(ty.name.as_deref(), Some("Params"), "{name}");
        let TypeInner::Struct { members, .. } = &ty.inner else { panic!("{name}: params is no struct") };
        let found: Vec<(&str, Scalar, u32)> = members
            .iter()
            .map(|m| {
                let scalar = match module.types[m.ty].inner {
                    TypeInner::Scalar(naga::Scalar::U32) => Scalar::U32,
                    TypeInner::Scalar(naga::Scalar::F32) => Scalar::F32,
                    ref other => panic!("{name}: {:?} is {other:?}", m.name),
                };
                (m.name.as_deref().unwrap_or_default(), scalar, m.offset)
            })
            .collect();
        let wanted: Vec<(&str, Scalar, u32)> =
            kernel.params.iter().enumerate().map(|(i, field)| (field.name, field.ty, 4 * i as u32)).collect();
        assert_eq!(found, wanted, "{name}");
        // A slot of the parameter arena.
        assert!(kernel.params.len() * 4 <= 256, "{name}");
    }
}

#[test]
fn the_storage_buffers_are_those_of_the_contract() {
    for (kernel, dtype, name, module) in texts() {
        // WebGPU's default limit.
        assert!(kernel.bindings.len() <= 8, "{name}: {} storage buffers", kernel.bindings.len());
        let mut found: Vec<(u32, &str, bool, String)> = Vec::new();
        for (_, variable) in module.global_variables.iter() {
            let AddressSpace::Storage { access } = variable.space else { continue };
            let at = variable.binding.expect("a storage buffer has a binding");
            assert_eq!(at.group, 0, "{name}");
            let TypeInner::Array { base, size: naga::ArraySize::Dynamic, .. } = module.types[variable.ty].inner else {
                panic!("{name}: {:?} is no array of the buffer's length", variable.name);
            };
            // Four elements at a time are elements too.
            let elem = match module.types[base].inner {
                TypeInner::Scalar(scalar) | TypeInner::Vector { size: naga::VectorSize::Quad, scalar } => {
                    match (scalar.kind, scalar.width) {
                        (ScalarKind::Float, 2) => "f16",
                        (ScalarKind::Float, 4) => "f32",
                        (ScalarKind::Uint, 4) => "u32",
                        other => panic!("{name}: {other:?}"),
                    }
                }
                ref other => panic!("{name}: {other:?}"),
            };
            assert!(access.contains(StorageAccess::LOAD), "{name}");
            let written = access.contains(StorageAccess::STORE);
            found.push((at.binding, variable.name.as_deref().unwrap_or_default(), written, elem.into()));
        }
        found.sort();
        let wanted: Vec<(u32, &str, bool, String)> = kernel
            .bindings
            .iter()
            .enumerate()
            .map(|(i, b)| {
                let elem = match b.elem {
                    Elem::Storage => dtype,
                    Elem::F32 => DType::F32,
                    Elem::U32 | Elem::Words => DType::U32,
                };
                (i as u32 + 1, b.name, b.access != Access::Read, elem.to_string())
            })
            .collect();
        assert_eq!(found, wanted, "{name}");
    }
}

/// Finds barriers that not every invocation of a workgroup reaches.
///
/// Conservative: a value is uniform if it comes from constants, uniform buffers, `workgroup_id`, `num_workgroups`, and
/// local variables that only ever hold such values, assigned where all invocations pass. What storage or workgroup
/// memory holds may differ. After a divergent `return` the rest of the function is divergent; a loop that an invocation
/// may leave or continue alone is divergent throughout, also before that point, because it runs again.
struct Barriers<'a> {
    module: &'a Module,
    found: Vec<String>,
}

/// One function with what is known of its arguments in one call.
struct Walk<'a> {
    function: &'a Function,
    arguments: Vec<bool>,
    divergent: HashSet<Handle<LocalVariable>>,
    /// Of calls: whether the result is uniform.
    results: HashMap<Handle<Expression>, bool>,
    result: bool,
    returned: bool,
    /// Per enclosing loop or switch: whether an invocation may have left it alone.
    left: Vec<(bool, IsLoop)>,
}

type IsLoop = bool;

impl<'a> Barriers<'a> {
    fn of(module: &'a Module) -> Vec<String> {
        let mut barriers = Barriers { module, found: vec![] };
        for entry in &module.entry_points {
            let uniform = |binding: &Option<Binding>| {
                matches!(
                    binding,
                    Some(Binding::BuiltIn(BuiltIn::WorkGroupId | BuiltIn::NumWorkGroups | BuiltIn::WorkGroupSize))
                )
            };
            let arguments = entry.function.arguments.iter().map(|a| uniform(&a.binding)).collect();
            barriers.call(&entry.function, arguments, true);
        }
        barriers.found.sort();
        barriers.found.dedup();
        barriers.found
    }

    /// Walks `function`; returns whether its result is uniform.
    fn call(&mut self, function: &'a Function, arguments: Vec<bool>, control: bool) -> bool {
        let mut walk = Walk {
            function,
            arguments,
            divergent: HashSet::new(),
            results: HashMap::new(),
            result: true,
            returned: false,
            left: vec![],
        };
        // Locals start as uniform and lose that; once a walk changes nothing, what it found stands.
        loop {
            let (locals, found) = (walk.divergent.len(), self.found.clone());
            (walk.returned, walk.result) = (false, true);
            walk.left.clear();
            self.block(&mut walk, &function.body, control);
            if walk.divergent.len() == locals {
                return walk.result;
            }
            self.found = found;
        }
    }

    fn report(&mut self, walk: &Walk, what: &str) {
        self.found.push(format!("{what} in {}", walk.function.name.as_deref().unwrap_or("main")));
    }

    fn block(&mut self, walk: &mut Walk<'a>, block: &'a Block, control: bool) {
        for statement in block {
            let control = control && !walk.returned && walk.left.iter().all(|(left, _)| !left);
            self.statement(walk, statement, control);
        }
    }

    fn statement(&mut self, walk: &mut Walk<'a>, statement: &'a Statement, control: bool) {
        match statement {
            Statement::ControlBarrier(_) if !control => self.report(walk, "a barrier"),
            Statement::WorkGroupUniformLoad { .. } if !control => self.report(walk, "a workgroupUniformLoad"),
            Statement::Block(inner) => self.block(walk, inner, control),
            Statement::If { condition, accept, reject } => {
                let inner = control && self.uniform(walk, *condition);
                self.block(walk, accept, inner);
                self.block(walk, reject, inner);
            }
            Statement::Switch { selector, cases } => {
                let inner = control && self.uniform(walk, *selector);
                walk.left.push((false, false));
                for case in cases {
                    self.block(walk, &case.body, inner);
                }
                walk.left.pop();
            }
            Statement::Loop { body, continuing, break_if } => {
                // Once to learn whether invocations part, then again as it is from the second round on.
                let found = self.found.clone();
                let mut parted = false;
                for last in [false, true] {
                    walk.left.push((parted, true));
                    self.block(walk, body, control);
                    self.block(walk, continuing, control);
                    let uniform_end = break_if.is_none_or(|condition| self.uniform(walk, condition));
                    let (left, _) = walk.left.pop().unwrap_or_default();
                    parted = left || !uniform_end || walk.returned;
                    if !last {
                        self.found.clone_from(&found);
                    }
                }
            }
            Statement::Break if !control => {
                if let Some((left, _)) = walk.left.last_mut() {
                    *left = true;
                }
            }
            Statement::Continue if !control => {
                // Of the innermost loop; a switch in between is left as well.
                for (left, is_loop) in walk.left.iter_mut().rev() {
                    *left = true;
                    if *is_loop {
                        break;
                    }
                }
            }
            Statement::Return { value } => {
                walk.result &= control && value.is_none_or(|value| self.uniform(walk, value));
                walk.returned |= !control;
            }
            Statement::Kill => walk.returned |= !control,
            Statement::Store { pointer, value } => {
                let uniform = control && self.uniform(walk, *pointer) && self.uniform(walk, *value);
                if let (Some(local), false) = (root(walk.function, *pointer), uniform) {
                    walk.divergent.insert(local);
                }
            }
            Statement::Call { function, arguments, result } => {
                // A callee may write through a pointer.
                for argument in arguments {
                    if let Some(local) = root(walk.function, *argument) {
                        if matches!(walk.function.expressions[*argument], Expression::LocalVariable(_)) {
                            walk.divergent.insert(local);
                        }
                    }
                }
                let uniform = arguments.iter().map(|a| self.uniform(walk, *a)).collect();
                let callee = &self.module.functions[*function];
                let value = self.call(callee, uniform, control);
                if let Some(result) = result {
                    walk.results.insert(*result, value);
                }
            }
            _ => {}
        }
    }

    fn uniform(&self, walk: &Walk, expression: Handle<Expression>) -> bool {
        let all = |parts: &[Handle<Expression>]| parts.iter().all(|part| self.uniform(walk, *part));
        match &walk.function.expressions[expression] {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::ZeroValue(_)
            | Expression::ArrayLength(_)
            | Expression::WorkGroupUniformLoadResult { .. } => true,
            Expression::FunctionArgument(i) => walk.arguments[*i as usize],
            Expression::GlobalVariable(variable) => {
                self.module.global_variables[*variable].space == AddressSpace::Uniform
            }
            Expression::LocalVariable(variable) => {
                let init = walk.function.local_variables[*variable].init;
                !walk.divergent.contains(variable) && init.is_none_or(|init| self.uniform(walk, init))
            }
            Expression::CallResult(_) => walk.results.get(&expression).copied().unwrap_or(false),
            Expression::Load { pointer } => self.uniform(walk, *pointer),
            Expression::Access { base, index } => all(&[*base, *index]),
            Expression::AccessIndex { base, .. } => self.uniform(walk, *base),
            Expression::Splat { value, .. } => self.uniform(walk, *value),
            Expression::Swizzle { vector, .. } => self.uniform(walk, *vector),
            Expression::Compose { components, .. } => all(components),
            Expression::Unary { expr, .. } | Expression::As { expr, .. } => self.uniform(walk, *expr),
            Expression::Relational { argument, .. } => self.uniform(walk, *argument),
            Expression::Binary { left, right, .. } => all(&[*left, *right]),
            Expression::Select { condition, accept, reject } => all(&[*condition, *accept, *reject]),
            Expression::Math { arg, arg1, arg2, arg3, .. } => {
                [Some(*arg), *arg1, *arg2, *arg3].into_iter().flatten().all(|part| self.uniform(walk, part))
            }
            // Atomics, subgroups, textures: each invocation its own.
            _ => false,
        }
    }
}

/// The local variable that a pointer leads into.
fn root(function: &Function, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
    match &function.expressions[pointer] {
        Expression::LocalVariable(variable) => Some(*variable),
        Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => root(function, *base),
        _ => None,
    }
}

#[test]
fn every_barrier_is_reached_by_all_invocations() {
    let mut with_barriers = 0;
    for (_, _, name, module) in texts() {
        assert_eq!(Barriers::of(&module), Vec::<String>::new(), "{name}");
        with_barriers += usize::from(name.starts_with("dot ") || name.starts_with("sum_rows"));
    }
    assert!(with_barriers >= 3, "the kernels with barriers are gone; this test proves nothing");
}

const HEAD: &str = "
struct Params { len: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lens: array<u32>;
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;
var<workgroup> shared_sum: array<f32, 64>;
fn meet(value: f32) -> f32 {
    workgroupBarrier();
    return value;
}
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) wid: vec3<u32>) {
";

#[test]
fn barriers_that_only_some_invocations_reach_are_found() {
    let broken = [
        ("if", "if lane < 32u { workgroupBarrier(); }"),
        ("else", "if lane < 32u { dst[lane] = 1.0; } else { workgroupBarrier(); }"),
        ("after a return", "if lane >= params.len { return; } workgroupBarrier();"),
        ("storage", "if lens[wid.x] > 1u { workgroupBarrier(); }"),
        ("loop with a bound in storage", "for (var i = 0u; i < lens[0]; i++) { workgroupBarrier(); }"),
        ("loop that starts apart", "for (var i = lane; i < params.len; i += 64u) { workgroupBarrier(); }"),
        ("before a break", "for (var i = 0u; i < 9u; i++) { workgroupBarrier(); if lane == i { break; } }"),
        ("after a continue", "for (var i = 0u; i < 9u; i++) { if lane == i { continue; } workgroupBarrier(); }"),
        ("before a return in a loop", "for (var i = 0u; i < 9u; i++) { workgroupBarrier(); if lane == i { return; } }"),
        ("break_if", "var i = 0u; loop { workgroupBarrier(); continuing { i++; break if i > lane; } }"),
        ("switch", "switch lane { case 0u: { workgroupBarrier(); } default: { } }"),
        ("call", "if lane < 32u { dst[lane] = meet(1.0); }"),
        ("condition through a variable", "var on = true; if lane > 3u { on = false; } if on { workgroupBarrier(); }"),
        (
            "condition through a loop",
            "var n = 0u; for (var i = 0u; i < 3u; i++) { if n > 1u { workgroupBarrier(); } n += lane; }",
        ),
        ("workgroup memory", "if shared_sum[0] > 1.0 { workgroupBarrier(); }"),
    ];
    for (what, body) in broken {
        let module = parse(&format!("{HEAD}{body}\n}}"));
        // naga itself lets these pass.
        validate(&module, Capabilities::empty()).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(!Barriers::of(&module).is_empty(), "{what}: not found");
    }
    let sound = [
        ("plain", "dst[lane] = meet(1.0);"),
        ("parameters", "for (var i = 0u; i < params.len; i++) { workgroupBarrier(); }"),
        ("group", "if wid.x > params.len { return; } workgroupBarrier();"),
        ("halving", "for (var h = 32u; h > 0u; h = h / 2u) { workgroupBarrier(); if lane < h { dst[lane] = 1.0; } }"),
        ("after a divergent if", "if lane == 0u { dst[0] = 1.0; } workgroupBarrier();"),
        (
            "after a divergent loop",
            "for (var i = lane; i < params.len; i += 64u) { dst[i] = 1.0; } workgroupBarrier();",
        ),
        ("after a divergent switch", "switch lane { case 0u: { dst[0] = 1.0; } default: { } } workgroupBarrier();"),
    ];
    for (what, body) in sound {
        let module = parse(&format!("{HEAD}{body}\n}}"));
        assert_eq!(Barriers::of(&module), Vec::<String>::new(), "{what}");
    }
}

fn wgsl_files(folder: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<(String, String)> = fs::read_dir(&path)
        .unwrap_or_else(|e| panic!("{folder}: {e}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            assert_eq!(path.extension().and_then(|e| e.to_str()), Some("wgsl"), "{path:?}");
            (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_file_belongs_to_a_kernel_and_every_kernel_to_a_file() {
    let kernels = ops::kernels();
    let files = wgsl_files("shaders");
    for (stem, text) in &files {
        let kernel = kernels.iter().find(|k| k.name == stem).unwrap_or_else(|| panic!("{stem}.wgsl has no kernel"));
        assert!(kernel.source.text().ends_with(text.as_str()), "{stem}: the kernel's text does not end in its file");
    }
    for kernel in &kernels {
        assert!(files.iter().any(|(stem, _)| stem == kernel.name), "{} has no file", kernel.name);
    }
    let names: HashSet<&str> = kernels.iter().map(|k| k.name).collect();
    assert_eq!(names.len(), kernels.len(), "two kernels share a name");
    for (stem, text) in wgsl_files("shaders/lib") {
        assert!(kernels.iter().any(|k| k.source.text().contains(&text)), "lib/{stem}.wgsl is used by no kernel");
    }
}

#[test]
fn every_file_begins_with_what_it_computes() {
    let comment = |text: &str| -> String { text.lines().take_while(|l| l.starts_with("//")).collect() };
    for (stem, text) in wgsl_files("shaders") {
        assert!(comment(&text).contains('='), "{stem}.wgsl does not begin with a formula");
    }
    for (stem, text) in wgsl_files("shaders/lib") {
        assert!(!comment(&text).is_empty(), "lib/{stem}.wgsl does not begin with a comment");
    }
    for (stem, text) in wgsl_files("shaders").into_iter().chain(wgsl_files("shaders/lib")) {
        let plain = text.lines().all(|l| !l.trim_start().starts_with('#') && !l.contains("{{"));
        assert!(plain, "{stem}.wgsl is not plain WGSL");
    }
}
