// The innermost loops, once for each instruction set; the rest of the module calls them through a `Level`.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace goldpan {

constexpr int kPanel = 16;  // base rows whose codes lie together: [pair of dimensions][row][2] int16

constexpr int kBitPanel = 8;  // rows of packed bits that lie together: [word][row] uint64

enum class Metric : int { ip = 0, cosine = 1, distance = 2 };

// Float fields of the rows of one panel; see bounds.py.
struct PanelFields {
    const float *scale, *norm, *residual, *offset;
};

// Weights of the bounds of one group of queries, and the limits that a bound must exceed.
struct GroupWeights {
    const float *norm_weight, *residual_weight, *offset_weight, *limit;
};

struct PackOptions {
    const double* mean;  // d
    bool unit, whole;
};

struct PackedRow {
    double scale, norm, residual;
};

// An unevaluated sum of two doubles.
struct Double2 {
    double hi, lo;
};

struct Level {
    const char* name;
    int group;  // queries that `tile` takes at once, interleaved as [pair of dimensions][query][2] int16
    // Upper bounds of group x panel into `upper`, and for each query the rows that exceed its limit, as bits.
    void (*tile)(const int16_t* panel, const int16_t* group, size_t pairs, const PanelFields&, const GroupWeights&,
                 float* upper, uint32_t* over);
    // Codes of one row, d rounded up to even; `buffer` holds d doubles.
    PackedRow (*pack_float)(const float* row, size_t d, const PackOptions&, double* buffer, int16_t* codes);
    PackedRow (*pack_double)(const double* row, size_t d, const PackOptions&, double* buffer, int16_t* codes);
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

// The level of that name; nullptr where this machine or this build has none such.
const Level* find_level(const char* name);
// Names of the levels this machine can run, fastest first.
std::vector<const char*> level_names();

}  // namespace goldpan
