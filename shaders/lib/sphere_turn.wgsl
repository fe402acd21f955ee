// cos(d), sin(d) / d and (cos(d) - sin(d) / d) / d^2 from the square of d. Below 1/2 by their power series, which need no
// root: at 0 the sphere is flat.

struct Turn {
    cos: f32,
    sinc: f32,
    bend: f32,
}

fn turn_by(q: f32) -> Turn {
    if q < 0.25 {
        let cosine = ((((-2.755731922398589e-07 * q + 2.48015873015873e-05) * q - 0.001388888888888889) * q
            + 0.041666666666666664) * q - 0.5) * q + 1.0;
        let sinc = (((2.7557319223985893e-06 * q - 0.0001984126984126984) * q + 0.008333333333333333) * q
            - 0.16666666666666666) * q + 1.0;
        let bend = (((-2.505210838544172e-07 * q + 2.2045855379188714e-05) * q - 0.0011904761904761906) * q
            + 0.03333333333333333) * q - 0.3333333333333333;
        return Turn(cosine, sinc, bend);
    }
    let d = sqrt(q);
    let s = sin_cos(d);
    return Turn(s.y, s.x / d, (s.y - s.x / d) / q);
}
