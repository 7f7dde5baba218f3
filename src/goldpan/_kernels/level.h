// The innermost loops, once for each instruction set; the rest of the module calls them through a `Level`.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace goldpan {

constexpr int kPanel = 32;  // base rows are padded to a multiple of this

constexpr int kBitPanel = 8;  // rows of packed bits that lie together: [word][row] uint64

enum class Metric : int { ip = 0, cosine = 1, distance = 2 };

// Float fields of the rows of one panel; see bounds.py.
struct PanelFields {
    const float *scale, *norm, *residual, *offset;
};

// Weights of the bounds of one group of queries, and the limits that a bound must exceed.
struct GroupWeights {
    const float *norm_weight, *residual_weight, *offset_weight, *limit;
    const int32_t* start;  // narrow codes only: minus 128 times the sum of a query's codes, as base codes are 128 higher
};

// Codes come in words of 32 bits, two int16 (wide) or four bytes (narrow); `panel` base rows lie together as
// [word][row], and `group` queries as [word][query].
struct Tiling {
    int panel, group;
    // Upper bounds of group x panel into `upper`, and for each query the rows that exceed its limit, as bits.
    void (*tile)(const int32_t* panel, const int32_t* group, size_t words, const PanelFields&, const GroupWeights&,
                 float* upper, uint32_t* over);
};

struct PackOptions {
    const double* mean;  // d
    bool unit, whole;
};

struct PackedRow {
    double scale, norm, residual;
};

// A rotation of d dimensions: reorder, flip signs, then Hadamard's matrix over the first and over the last 2^m of them.
struct Rotation {
    const int32_t* order;
    const float* sign;
};

// An unevaluated sum of two doubles.
struct Double2 {
    double hi, lo;
};

struct Level {
    const char* name;
    Tiling wide, narrow;
    bool narrow_first;  // narrow codes are faster than wide ones
    // Codes of one row, d rounded up to even; `buffer` holds d doubles.
    PackedRow (*pack_float)(const float* row, size_t d, const PackOptions&, double* buffer, int16_t* codes);
    PackedRow (*pack_double)(const double* row, size_t d, const PackOptions&, double* buffer, int16_t* codes);
    // Narrow codes of one row, rotated; `turned` holds d floats.
    PackedRow (*pack_narrow)(const float* row, size_t d, const PackOptions&, const Rotation&, double* buffer,
                             float* turned, int8_t* codes);
    // Sums in plain float32, wrong by at most `quick_error(d)` of the sum of magnitudes: q·x and |q-x|².
    float (*quick_dot)(const float* q, const float* x, size_t d);
    float (*quick_distance)(const float* q, const float* x, size_t d);
    // Compensated sums: q·x, x·x, |q-x|², in the order that compensated.py fixes. Beside float rows q holds values
    // that are float32 too.
    Double2 (*dot_float)(const double* q, const float* x, size_t d);
    Double2 (*dot_double)(const double* q, const double* x, size_t d);
    Double2 (*square_float)(const float* x, size_t d);
    Double2 (*distance_float)(const double* q, const float* x, size_t d);
    Double2 (*distance_double)(const double* q, const double* x, size_t d);
    // Differing bits of a query and the 8 rows of a panel [word][row]; returns which are below the limit, as bits.
    uint32_t (*hamming)(const uint64_t* panel, const uint64_t* query, size_t words, uint64_t limit, uint64_t* counts);
};

// See `quick_dot`: 64 partial sums, each product or square within 3 roundings, 6 additions across.
constexpr double quick_error(size_t d) { return (static_cast<double>(d) / 64 + 12) * 0x1p-24; }

// The level of that name; nullptr where this machine or this build has none such.
const Level* find_level(const char* name);
// Names of the levels this machine can run, fastest first.
std::vector<const char*> level_names();

}  // namespace goldpan
