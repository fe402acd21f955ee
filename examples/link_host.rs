//! For a program that already has a wgpu device, buffers and an encoder: three steps recorded into its command buffer.

use kuramoto::{Commands, Context, DType, StepOptions, Tensor, wgpu};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the host has: a device with the library's features and limits, a queue, and a state in a buffer of its own.
    let adapter = Context::adapters().into_iter().next().ok_or("no adapter")?;
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: Context::required_features(&adapter),
        required_limits: Context::required_limits(&adapter),
        ..Default::default()
    }))?;
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let buffer =
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 1024, usage, mapped_at_creation: false });
    let state: Vec<f32> = (0..64).map(|i| if i / 16 % 2 == 0 { 0.6 } else { 0.8 }).collect();
    queue.write_buffer(&buffer, 256, bytemuck::cast_slice(&state));

    // A context over the host's device. Its loss handler stays the host's; this tells us what it learns.
    let context = Context::from_wgpu(device.clone(), queue.clone(), adapter.get_info());
    device.set_device_lost_callback(context.device_lost_handler());
    let mut x = Tensor::wrap(&context, &buffer, 256, &[1, 4, 4, 4], DType::F32)?;
    let w: Vec<f32> = (0..4 * 4 * 9).map(|i| (i as f32).sin()).collect();
    let w = Tensor::from_slice(&context, &w, &[4, 4, 3, 3], DType::F32)?;
    let bias = Tensor::from_slice(&context, &[0.0; 4], &[4], DType::F32)?;
    let gamma = Tensor::from_slice(&context, &[0.1], &[1], DType::F32)?;

    // The library records into the host's encoder and gives it back; the host goes on recording and submits.
    let encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut commands = Commands::from_encoder(&context, encoder);
    for _ in 0..3 {
        let drive = commands.couple_conv2d(&x, &w, &bias)?;
        (x, _) = commands.sphere_step(&x, &drive, &gamma, None, &StepOptions::new(2, 1))?;
    }
    let mut encoder = commands.into_encoder();
    encoder.copy_buffer_to_buffer(x.buffer(), x.offset(), &buffer, 256, 256);
    queue.submit([encoder.finish()]);

    // The host reads its buffer as it always does; here the library's readback serves.
    let state = Tensor::wrap(&context, &buffer, 256, &[1, 4, 4, 4], DType::F32)?;
    let state = context.commands().read(&state)?;
    println!("{context:?}");
    println!("the first oscillator: ({}, {})", state[0], state[16]);
    Ok(())
}
