// Narrow codes, one byte a dimension: rows are rotated first, so that no dimension stands out; see bounds.py.
#pragma once
#include "codes.h"

namespace goldpan {
namespace {

typedef float Sixteen __attribute__((vector_size(64)));
typedef float SixteenLoose __attribute__((vector_size(64), aligned(4)));
typedef int32_t SixteenInts __attribute__((vector_size(64)));
typedef int8_t SixteenCodes __attribute__((vector_size(16), aligned(1)));

constexpr double kNarrowCode = 127.0;

inline Sixteen load16(const float* from) { return *reinterpret_cast<const SixteenLoose*>(from); }
inline void store16(float* to, Sixteen value) { *reinterpret_cast<SixteenLoose*>(to) = value; }

// Sums and differences of neighbors `kStep` lanes apart.
template <int kStep>
inline Sixteen butterfly(Sixteen v) {
    const SixteenInts lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const Sixteen sign = __builtin_convertvector(1 - 2 * (SixteenInts)((lane & kStep) != 0 ? 1 : 0), Sixteen);
    return __builtin_shuffle(v, lane ^ kStep) + v * sign;
}

// Multiply n = 2^m values by Hadamard's matrix over sqrt(n).
void hadamard(float* values, size_t n) {
    for (size_t step = 1; step < n && n < 16; step *= 2)
        for (size_t i = 0; i < n; ++i)
            if (!(i & step)) {
                const float a = values[i], b = values[i + step];
                values[i] = a + b;
                values[i + step] = a - b;
            }
    const float scale = static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(n)));
    if (n < 16) {
        for (size_t i = 0; i < n; ++i) values[i] *= scale;
        return;
    }
    for (size_t i = 0; i < n; i += 16)
        store16(values + i, butterfly<8>(butterfly<4>(butterfly<2>(butterfly<1>(load16(values + i))))) * scale);
    for (size_t step = 16; step < n; step *= 2)
        for (size_t first = 0; first < n; first += 2 * step)
            for (size_t i = first; i < first + step; i += 16) {
                const Sixteen a = load16(values + i), b = load16(values + i + step);
                store16(values + i, a + b);
                store16(values + i + step, a - b);
            }
}

// Largest magnitude, or codes and their rounding errors, of d floats.
inline float largest_of(const float* values, size_t d) {
    Sixteen most = {};
    size_t i = 0;
    for (; i + 16 <= d; i += 16) {
        const Sixteen value = load16(values + i), size = value > 0 ? value : -value;
        most = size > most ? size : most;
    }
    float largest = 0;
    for (int lane = 0; lane < 16; ++lane) largest = most[lane] > largest ? most[lane] : largest;
    for (; i < d; ++i) {
        const float size = values[i] > 0 ? values[i] : -values[i];
        largest = size > largest ? size : largest;
    }
    return largest;
}

double encode_narrow(const float* values, size_t d, float encode, int8_t* codes) {
    const float nearest = 0x1.8p23f;  // adding it rounds to whole numbers
    Sixteen errors = {};
    size_t i = 0;
    for (; i + 16 <= d; i += 16) {
        const Sixteen value = load16(values + i) * encode;
        const Sixteen code = (value + nearest) - nearest;
        errors += (value - code) * (value - code);
        *reinterpret_cast<SixteenCodes*>(codes + i) =
            __builtin_convertvector(__builtin_convertvector(code, SixteenInts), SixteenCodes);
    }
    double error = 0;
    for (int lane = 0; lane < 16; ++lane) error += errors[lane];
    for (; i < d; ++i) {
        const float value = values[i] * encode, code = (value + nearest) - nearest;
        error += static_cast<double>((value - code) * (value - code));
        codes[i] = static_cast<int8_t>(static_cast<int32_t>(code));
    }
    return error;
}

PackedRow pack_narrow(const float* row, size_t d, const PackOptions& options, const Rotation& rotation, double* buffer,
                      float* turned, int8_t* codes) {
    for (size_t i = d; i % 4; ++i) codes[i] = 0;
    const double factor = options.unit ? unit_factor(row, d) : 1.0;
    const Size size = center(row, d, factor, options.mean, buffer);
    if (size.largest == 0 || !(size.square < 0x1p500)) {
        for (size_t i = 0; i < d; ++i) codes[i] = 0;
        return {1.0, size.square == 0 ? 0.0 : __builtin_inf(), 0.0};
    }
    const double norm = __builtin_sqrt(size.square), power = normalizer(size.largest);
    for (size_t i = 0; i < d; ++i) turned[i] = rotation.sign[i] * static_cast<float>(buffer[rotation.order[i]] * power);
    size_t n = 1;
    int stages = 0;
    for (; 2 * n <= d; n *= 2) ++stages;
    hadamard(turned, n);
    if (n < d) hadamard(turned + (d - n), n);
    const float encode = static_cast<float>(kNarrowCode / static_cast<double>(largest_of(turned, d)));
    const double error = __builtin_sqrt(encode_narrow(turned, d, encode, codes));
    // Each stage, scaling and conversion rounds by 2^-24 of the norm at most; the sum of squares by (d / 16 + 16) 2^-24.
    const double rounding = (2 * stages + 8) * 0x1p-24 * norm * power;
    const double widened = error * (1 + (static_cast<double>(d) / 16 + 32) * 0x1p-24);
    return {1.0 / static_cast<double>(encode) / power, norm, (widened / static_cast<double>(encode) + rounding) / power};
}

template <bool kDistance>
float quick_sum(const float* q, const float* x, size_t d) {
    Sixteen sums[4] = {};
    const auto term = [](auto a, auto b) {
        const auto value = kDistance ? a - b : a;
        return value * (kDistance ? value : b);
    };
    size_t i = 0;
    for (; i + 64 <= d; i += 64)
        for (int part = 0; part < 4; ++part) sums[part] += term(load16(q + i + 16 * part), load16(x + i + 16 * part));
    for (int part = 0; i + 16 <= d; i += 16, ++part) sums[part] += term(load16(q + i), load16(x + i));
    float lanes[16];
    store16(lanes, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (int lane = 0; i < d; ++i, ++lane) lanes[lane] += term(q[i], x[i]);
    for (int half = 8; half; half /= 2)
        for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    return lanes[0];
}

}  // namespace
}  // namespace goldpan
