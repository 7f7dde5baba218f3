// Centering and encoding of rows; see bounds.py for what is measured and why.
#pragma once
#include "vectors.h"

namespace goldpan {
namespace {

constexpr double kCodeNorm = 46300.0;   // with rounding below sqrt(2^31): no dot product of codes overflows
constexpr double kLargestCode = 32767.0;

constexpr double kLargestValue = 0x1p240, kSmallestValue = 0x1p-240;  // MAX_MAGNITUDE, MIN_MAGNITUDE of bounds.py

// The power of two that brings a positive value to 1/2 .. 1 (subnormal ones: near it), so that squares are safe.
inline double normalizer(double value) {
    const int exponent = -1 - __builtin_ilogb(value);
    return __builtin_ldexp(1.0, exponent < 1000 ? exponent : 1000);
}

inline double across(Four v) { return (v[0] + v[1]) + (v[2] + v[3]); }

inline Four larger(Four a, Four b) { return a > b ? a : b; }
inline double larger(double a, double b) { return a > b ? a : b; }

struct Size {
    double largest, square;  // largest magnitude (of the values that are numbers), sum of squares
};

// Write ``row * factor - mean`` to `out`; a sum of squares that is not finite betrays a row that is not.
template <typename T>
Size center(const T* row, size_t d, double factor, const double* mean, double* out) {
    Four most = {}, squares = {};
    size_t i = 0;
    for (; i + 4 <= d; i += 4) {
        const Four value = load4(row + i) * factor - load4(mean + i);
        *reinterpret_cast<FourLoose*>(out + i) = value;
        most = larger(most, larger(value, -value));
        squares += value * value;
    }
    double largest = larger(larger(most[0], most[1]), larger(most[2], most[3])), square = across(squares);
    for (; i < d; ++i) {
        out[i] = static_cast<double>(row[i]) * factor - mean[i];
        largest = larger(largest, larger(out[i], -out[i]));
        square += out[i] * out[i];
    }
    return {largest, square};
}

// Factor that brings a row to unit length; 1 for a row of zeros, NaN for one that is not finite, too large or too small.
template <typename T>
double unit_factor(const T* row, size_t d) {
    Four most = {}, squares = {};
    size_t i = 0;
    for (; i + 4 <= d; i += 4) {
        const Four value = load4(row + i);
        most = larger(most, larger(value, -value));
        squares += value * value;
    }
    double largest = larger(larger(most[0], most[1]), larger(most[2], most[3])), square = across(squares);
    for (; i < d; ++i) {
        const double value = static_cast<double>(row[i]);
        largest = larger(largest, larger(value, -value));
        square += value * value;
    }
    if (largest == 0 && square == 0) return 1.0;
    if (!(largest < kLargestValue && largest >= kSmallestValue)) return __builtin_nan("");
    return 1.0 / __builtin_sqrt(square);
}

// Encode `value * encode`; return the sum of squared rounding errors of the codes.
double encode_row(const double* values, size_t d, double encode, int16_t* codes) {
    const double nearest = 0x1.8p52;  // adding it rounds to whole numbers
    Four errors = {};
    size_t i = 0;
    for (; i + 4 <= d; i += 4) {
        const Four value = load4(values + i) * encode;
        const Four code = (value + nearest) - nearest;
        errors += (value - code) * (value - code);
        *reinterpret_cast<FourCodes*>(codes + i) =
            __builtin_convertvector(__builtin_convertvector(code, FourInts), FourCodes);
    }
    double error = across(errors);
    for (; i < d; ++i) {
        const double value = values[i] * encode;
        const double code = (value + nearest) - nearest;
        error += (value - code) * (value - code);
        codes[i] = static_cast<int16_t>(static_cast<int32_t>(code));
    }
    return error;
}

template <typename T>
PackedRow pack(const T* row, size_t d, const PackOptions& options, double* buffer, int16_t* codes) {
    codes[d - 1 + d % 2] = 0;
    const double factor = options.unit ? unit_factor(row, d) : 1.0;
    Size size = center(row, d, factor, options.mean, buffer);
    if (size.largest == 0 || !(size.square < 0x1p500)) {
        for (size_t i = 0; i < d; ++i) codes[i] = 0;
        return {1.0, size.square == 0 ? 0.0 : __builtin_inf(), 0.0};
    }
    double power = 1.0;
    if (size.largest < kSmallestValue) {  // only float64 is so small; its squares would vanish
        power = normalizer(size.largest);
        size = {size.largest * power, 0.0};
        for (size_t i = 0; i < d; ++i) {
            buffer[i] *= power;
            size.square += buffer[i] * buffer[i];
        }
    }
    const double norm = __builtin_sqrt(size.square);
    const double by_norm = (kCodeNorm - 0.5 * __builtin_sqrt(static_cast<double>(d))) / norm;
    const double by_size = kLargestCode / size.largest;
    double encode = by_norm < by_size ? by_norm : by_size;
    if (options.whole && encode >= 1.0) encode = 1.0;  // whole numbers are their own codes
    const double error = __builtin_sqrt(encode_row(buffer, d, encode, codes));
    return {1.0 / encode / power, norm / power, error / encode / power};
}

}  // namespace
}  // namespace goldpan
