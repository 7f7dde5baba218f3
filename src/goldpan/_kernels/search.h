// Exact search of one base block: filter, score in float64, merge. The proof is in goldpan/search/bounds.py.
#pragma once
#include "level.h"

namespace goldpan {

// Rows of float or double, one of the two pointers set.
struct Rows {
    const float* floats;
    const double* doubles;
};

struct Base {
    Rows rows;
    size_t n;
    int64_t first_id;
    const int16_t* codes;  // panels
    PanelFields fields;    // padded to whole panels
};

struct Queries {
    Rows rows;
    size_t n;
    const int16_t* codes;  // row by row, d rounded up to even
    const float *norm_weight, *residual_weight, *offset_weight;
    const double *slope, *shift, *relative, *slack;
};

// Running answers, n x k, best first.
struct Answers {
    double* keys;
    int64_t* ids;
    int64_t* survivors;
    size_t k;
};

// Bring a block into the answers. False where a score was outside its bounds: the filter is broken.
bool search_block(const Level&, const Base&, const Queries&, size_t d, Metric, const Answers&);

// Key of one pair, higher is nearer: q·x, cosine, or -|q-x|²; `qq` is q·q, used under cosine.
double pair_key(const Level&, Metric, const double* q, Double2 qq, const Rows& rows, size_t row, size_t d);

// Bring packed bits, all ids above those seen, into the answers; keys are minus the differing bits.
void search_bits(const Level&, const uint64_t* rows, size_t n, int64_t first_id, const uint64_t* queries,
                 size_t n_queries, size_t words, const Answers&);

}  // namespace goldpan
