// An inverted file of codes: rows lie in lists, a query looks into some of them; see engines/panner.py.
#pragma once
#include "search.h"

namespace goldpan {

// Rows to be held: their lists, codes of `words` words each, and what the estimate q·x needs besides.
struct Listed {
    size_t n;
    const int32_t *list, *slot;  // slots are the caller's numbers of rows
    const int32_t* codes;
    const float *scale, *offset;
};

// Queries and the lists each of them looks into, the most promising first.
struct Probes {
    size_t n, width;
    const int32_t* codes;
    const float *scale, *rows;  // of the codes; the queries themselves
    const int32_t* lists;       // n x width
    const float* near;          // n x width: what the list's center gives to the estimate
};

class Lists {
public:
    // Narrow codes hold bytes, of rows 128 higher than of queries; wide ones int16.
    Lists(const Level&, bool narrow, size_t words, size_t n_lists);

    void add(const Listed&);
    void remove(const int32_t* slots, size_t n);
    void shrink();  // give back memory kept for growth
    size_t size(size_t list) const { return lists_[list].slots.size(); }
    size_t bytes() const;

    // The k best of the `pool` rows with the highest estimates, by sums in float32 over `rows` [slot][d]: their slots, -1
    // where there are fewer, and q·x or -|q-x|², best first.
    void search(const Probes&, const float* rows, size_t d, bool distance, size_t pool, size_t k, int32_t* slots,
                float* keys) const;

private:
    struct List {
        std::vector<int32_t> codes;  // panels
        std::vector<float> scale, offset;
        std::vector<int32_t> slots;
    };
    struct Place {
        int32_t list, row;
    };
    class Search;

    int32_t* code(List&, size_t row);
    void copy_row(List&, size_t from, size_t to);

    const Level& level_;
    const Tiling& tiling_;
    const bool narrow_;
    const size_t words_;
    std::vector<List> lists_;
    std::vector<Place> places_;  // by slot
};

}  // namespace goldpan
