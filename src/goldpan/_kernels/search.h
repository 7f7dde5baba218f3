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
    const int32_t* codes;  // panels
    PanelFields fields;    // padded to kPanel rows
};

struct Queries {
    Rows rows;
    size_t n;
    const int32_t* codes;  // row by row
    size_t words;          // of the codes of a row
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

// What narrow codes need besides: their candidates are looked at again in float32 before any is scored in float64.
struct Second {
    const double* length;  // |q|, rounded up
    double mean_norm;      // of what was taken off the base rows, rounded up
    double unit;           // of the block's fields
    int32_t* looked_at;    // candidates of each query; -1 where the limit was hoped too high: the answer is unchanged
};

// The same with narrow codes; rows of both sides are float.
bool search_narrow(const Level&, const Base&, const Queries&, const Second&, size_t d, Metric, const Answers&);

struct Scored {
    double key;
    int64_t id;
};

constexpr auto better = [](const Scored& a, const Scored& b) {
    return a.key > b.key || (a.key == b.key && a.id < b.id);
};

// Merge scored rows, none of them known, into one answer; leaves `scored` empty.
void merge(std::vector<Scored>& scored, double* keys, int64_t* ids, size_t k);

// Score every row for every query: for queries too few to be worth codes. Returns the first row whose score is not
// finite or too large to be trusted, or -1.
int64_t search_rows(const Level&, const Rows& base, size_t n, int64_t first_id, const Rows& queries, size_t n_queries,
                    size_t d, Metric, const Answers&);

struct Interval {
    double low, high;
};

// Keys, higher is nearer, of one query at a time: q·x, cosine, or -|q-x|².
class Scorer {
public:
    Scorer(const Level&, Metric, const Rows& base, const Rows& queries, size_t d);
    void ask(size_t query);
    double key(size_t row);
    // An interval that holds the key, from float32 sums; both sides are float. Infinite where they overflow.
    Interval quick_key(size_t row, double length, double row_length) const;
    void fetch(size_t row) const;

private:
    const Level& level_;
    const Metric metric_;
    const Rows base_, queries_;
    const size_t d_;
    const bool narrow_;  // float32 on both sides
    Double2 square_;     // q·q
    size_t asked_ = 0;
    std::vector<double> query_, row_;
};

// Bring packed bits, all ids above those seen, into the answers; keys are minus the differing bits.
void search_bits(const Level&, const uint64_t* rows, size_t n, int64_t first_id, const uint64_t* queries,
                 size_t n_queries, size_t words, const Answers&);

}  // namespace goldpan
