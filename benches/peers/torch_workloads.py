"""The workloads of benches/workloads in PyTorch, written as their equations stand: what a user of PyTorch would write.

Every function takes the extents of a workload, a device and a dtype, and returns `(call, leaves)`: `call()` computes the
result, `leaves` are what gradients are taken of, the first of which is compared. Inputs come from the same formula.
"""

import math

import torch
import torch.nn.functional as F


def numbers(shape, k, scale=1.0, shift=0.0, device="cpu"):
    """The k-th input: `shift + scale * number`, as benches/workloads/inputs.rs makes it."""
    count = math.prod(shape)
    i = torch.arange(count, dtype=torch.int64, device=device)
    raw = ((i * 7919 + k * 104729) % 2003).to(torch.float64) / 1001.0 - 1.0
    return (shift + scale * raw.to(torch.float32)).reshape(shape)


def check(result):
    """What both sides must agree on."""
    flat = result.double().reshape(-1)
    return (flat + numbers(flat.shape, 97, device=flat.device).double()).pow(2).mean().sqrt().item()


def on_sphere(x, axis, n):
    """Groups of n numbers along an axis, divided by their lengths."""
    shape = x.shape
    split = shape[:axis] + (shape[axis] // n, n) + shape[axis + 1 :]
    return F.normalize(x.reshape(split), dim=axis + 1, eps=1e-12).reshape(shape)


def akorn_step(x, y, gamma, frequency, n):
    """`normalize(x + gamma (Omega x + y - (x . y) x))` for oscillators of n channels; and the energy per sample."""
    b, c = x.shape[:2]
    pairs = x.reshape(b, c // 2, 2, *x.shape[2:])
    omega = torch.stack([frequency * pairs[:, :, 1], -frequency * pairs[:, :, 0]], dim=2).reshape(x.shape)
    grouped = x.reshape(b, c // n, n, *x.shape[2:])
    drive = y.reshape(grouped.shape)
    along = (grouped * drive).sum(2, keepdim=True)
    tangent = drive - along * grouped
    energy = -(x * y).reshape(b, -1).sum(1)
    moved = grouped + gamma * (omega.reshape(grouped.shape) + tangent)
    return F.normalize(moved, dim=2, eps=1e-12).reshape(x.shape), energy


def sphere_step(batch, channels, side, n, device):
    shape = (batch, channels, side, side)
    x = on_sphere(numbers(shape, 0, 1.0, 0.01, device), 1, n)
    y = numbers(shape, 1, device=device)
    gamma = numbers((1,), 2, 0.0, 0.3, device)
    frequency = numbers((1,), 3, 0.0, 0.5, device)
    seed = numbers(shape, 4, device=device)
    return (lambda: akorn_step(x, y, gamma, frequency, n)[0]), [x, y, gamma, frequency], seed


def norm_group(batch, channels, side, groups, device):
    shape = (batch, channels, side, side)
    x = numbers(shape, 0, device=device)
    weight, bias = numbers((channels,), 1, 0.5, 1.0, device), numbers((channels,), 2, 0.5, 0.0, device)
    return (lambda: F.group_norm(x, groups, weight, bias, 1e-5)), [x, weight, bias], numbers(shape, 3, device=device)


def adam(parameters, device):
    x = torch.nn.Parameter(numbers((parameters,), 0, device=device))
    x.grad = numbers((parameters,), 1, device=device)
    optimiser = torch.optim.Adam([x], lr=1e-3)

    def step():
        optimiser.step()
        return x.detach()

    return step, None, None


def matmul(n, device):
    a, b = numbers((n, n), 0, device=device), numbers((n, n), 1, device=device)
    return (lambda: a @ b), [a, b], numbers((n, n), 2, device=device)


def conv2d(batch, channels, kernel, side, device):
    x = numbers((batch, channels, side, side), 0, device=device)
    weight, bias = numbers((channels, channels, kernel, kernel), 1, 0.1, device=device), numbers((channels,), 2, 0.1, device=device)
    seed = numbers(x.shape, 3, device=device)
    return (lambda: F.conv2d(x, weight, bias, padding=kernel // 2)), [x, weight, bias], seed


def heads_of(x, heads):
    b, t, c = x.shape
    return x.reshape(b, t, heads, c // heads).transpose(1, 2)


def fixed_query(batch, tokens, heads, dim, n, device):
    shape = (batch, tokens, heads * dim)
    q, k, v = (numbers(shape, at, device=device) for at in range(3))
    anchors = on_sphere(numbers((heads, tokens, n), 3, 1.0, 0.01, device), 2, n)
    unseen = torch.triu(torch.ones(tokens, tokens, dtype=torch.bool, device=device), 1)

    def attend():
        scores = heads_of(q, heads) @ heads_of(k, heads).transpose(2, 3) / math.sqrt(dim)
        coupling = F.softplus(scores).masked_fill(unseen, 0.0)
        x = F.normalize(coupling @ anchors, dim=-1, eps=1e-12)
        weights = (1 + x @ anchors.transpose(1, 2)).clamp(min=0).pow(2).masked_fill(unseen, 0.0)
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-8)
        return (weights @ heads_of(v, heads)).transpose(1, 2).reshape(shape)

    return attend, [q, k, v, anchors], numbers(shape, 4, device=device)


def equilibrate(oscillators, n, steps, device):
    start = on_sphere(numbers((oscillators, n), 0, 1.0, 0.01, device), 1, n)
    h = numbers((oscillators, n), 1, device=device)

    def run():
        x = start
        for _ in range(steps):
            x = F.normalize(x + 0.01 * (h - (x * h).sum(-1, keepdim=True) * x), dim=-1, eps=1e-12)
        return x

    return run, None, None


def torus(batch, tokens, heads, dim, device):
    shape = (batch, tokens, heads, dim)
    theta = numbers(shape, 0, 3.0, device=device)
    gate, tau = numbers((heads, dim), 1, 0.5, 1.0, device), numbers((heads,), 2, 0.2, 2.0, device)
    eta, drift = numbers((heads,), 3, 0.1, 0.5, device), numbers((heads, dim), 4, 0.1, 0.0, device)
    unseen = torch.triu(torch.ones(tokens, tokens, dtype=torch.bool, device=device), 1)
    position = torch.arange(tokens, dtype=torch.float32, device=device).reshape(tokens, 1, 1)

    def attend():
        phase = (theta + drift * position).transpose(1, 2)
        features = torch.cat([phase.cos(), phase.sin()], -1)
        gated = torch.cat([gate, gate], -1)[:, None, :] * features
        scores = gated @ features.transpose(2, 3) / tau[:, None, None]
        weights = scores.masked_fill(unseen, -math.inf).softmax(-1)
        angle = theta.transpose(1, 2)
        sine, cosine = angle.sin(), angle.cos()
        change = (weights @ sine) * cosine - (weights @ cosine) * sine
        moved = angle + eta[:, None, None] * change
        return (torch.remainder(moved + math.pi, 2 * math.pi) - math.pi).transpose(1, 2)

    return attend, [theta, gate, tau, eta, drift], numbers(shape, 5, device=device)


def edges(nodes, neighbours, device):
    half = neighbours // 2
    i = torch.arange(nodes, device=device)[:, None]
    s = torch.arange(1, half + 1, device=device)[None, :]
    columns = torch.cat([(i + s) % nodes, (i - s) % nodes], 1).sort(1).values.reshape(-1)
    starts = torch.arange(nodes + 1, device=device) * neighbours
    weights = numbers((nodes * neighbours,), 2, 0.5, 1.0, device)
    matrix = torch.sparse_csr_tensor(starts.int(), columns.int(), weights, (nodes, nodes))
    theta, omega = numbers((nodes,), 0, 3.0, device=device), numbers((nodes,), 1, device=device)

    def rate():
        # sin(b - a) = sin b cos a - cos b sin a: one product with two columns.
        sine, cosine = theta.sin(), theta.cos()
        field = matrix @ torch.stack([sine, cosine], 1)
        return omega + 0.2 * (field[:, 0] * cosine - field[:, 1] * sine)

    return rate, None, None


def turned(x, matrices):
    """2 x 2 matrices on consecutive channels of a head: x [B, heads, tokens, d], matrices [tokens, d / 2, 2, 2]."""
    pairs = x.reshape(*x.shape[:-1], x.shape[-1] // 2, 2)
    return torch.einsum("tmij,bhtmj->bhtmi", matrices, pairs).reshape(x.shape)


def couple(x, w_qkv, b_qkv, w_o, b_o, matrices, heads):
    """AKOrN's attention: the head is the fast index of the channels."""
    b, c, h, w = x.shape
    qkv = F.conv2d(x, w_qkv.reshape(3 * c, c, 1, 1), b_qkv)
    split = qkv.reshape(b, 3, c // heads, heads, h * w).permute(1, 0, 3, 4, 2)
    q, k, v = (turned(part, matrix) for part, matrix in zip(split, matrices[:3]))
    o = turned(F.scaled_dot_product_attention(q, k, v), matrices[3])
    return F.conv2d(o.permute(0, 3, 1, 2).reshape(b, c, h, w), w_o.reshape(c, c, 1, 1), b_o)


def attention(batch, channels, heads, device):
    side, scale = 9, 1.0 / math.sqrt(channels)
    x = numbers((batch, channels, side, side), 0, device=device)
    w_qkv, b_qkv = numbers((3 * channels, channels), 1, scale, device=device), numbers((3 * channels,), 2, 0.1, device=device)
    w_o, b_o = numbers((channels, channels), 3, scale, device=device), numbers((channels,), 4, 0.1, device=device)
    matrices = [numbers((side * side, channels // heads // 2, 2, 2), k, device=device) for k in range(5, 9)]
    call = lambda: couple(x, w_qkv, b_qkv, w_o, b_o, matrices, heads)
    return call, [x, w_qkv, b_qkv, w_o, b_o, *matrices], numbers(x.shape, 9, device=device)


class Sudoku:
    """The published Sudoku network from a description of its parameters."""

    def __init__(self, batch, channels, heads, n, steps, parameters, device):
        self.heads, self.n, self.steps = heads, n, steps
        self.p = {}
        for k, (name, shape) in enumerate(parameters):
            fan_in = max(math.prod(shape[1:]), 1)
            scale, shift = 1.0 / math.sqrt(fan_in), 0.0
            if name == "gamma":
                scale, shift = 0.0, 1.0
            elif "omg" in name:
                scale, shift = 0.0, 0.35
            self.p[name] = torch.nn.Parameter(numbers(tuple(shape), k, scale, shift, device))
        count = batch * 81
        i = torch.arange(count, device=device)
        self.puzzles = (i * 7919 % 2003 % 10).reshape(batch, 9, 9)
        self.solutions = (i * 7919 % 2003 % 9).reshape(batch, 9, 9)
        self.noise = numbers((batch, channels, 9, 9), 40, device=device)

    def logits(self):
        p, n = self.p, self.n
        c = p["embedding.weight"][self.puzzles].permute(0, 3, 1, 2)
        given = (self.puzzles > 0)[:, None].float()
        x = on_sphere(given * c + (1 - given) * self.noise, 1, n)
        j = "layers.0.0.connectivity."
        matrices = [p[f"{j}mat_{which}"] for which in "qkvo"]
        frequency = p["layers.0.0.omg.omg_param"].norm()
        for _ in range(self.steps):
            y = couple(x, p[f"{j}W_qkv.weight"], p[f"{j}W_qkv.bias"], p[f"{j}W_o.weight"], p[f"{j}W_o.bias"], matrices, self.heads)
            x, _energy = akorn_step(x, y + c, p["gamma"], frequency, n)
        r = "layers.0.1."
        z = F.conv2d(x, p[f"{r}0.invconv.weight"], p[f"{r}0.invconv.bias"])
        c = z.reshape(z.shape[0], -1, n, 9, 9).norm(dim=2) + p[f"{r}0.bias"][None, :, None, None]
        block = lambda x, name: F.conv2d(F.relu(x), p[f"{name}.weight"], p[f"{name}.bias"])
        c = c + block(block(c, f"{r}1.fn.fn.0.fn.2"), f"{r}1.fn.fn.1.fn.2")
        return block(block(c, f"{r}2.fn.2"), "out.1")


def sudoku_forward(batch, channels, heads, n, steps, parameters, device):
    net = Sudoku(batch, channels, heads, n, steps, parameters, device)
    return net.logits, None, None


def sudoku_training(batch, channels, heads, n, steps, parameters, device):
    net = Sudoku(batch, channels, heads, n, steps, parameters, device)
    learned = [value for name, value in net.p.items() if name != "x0"]
    optimiser = torch.optim.Adam(learned, lr=1e-3)

    def step(logits=net.logits):
        optimiser.zero_grad()
        loss = F.cross_entropy(logits(), net.solutions)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        return loss.detach()

    step.compiled_part = net.logits
    return step, None, None
