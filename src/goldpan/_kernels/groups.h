// What searches by codes share, over a whole block of rows or over lists of them.
#pragma once
#include <limits>

#include "level.h"

namespace goldpan {

constexpr float kNone = -std::numeric_limits<float>::infinity();  // below every bound
constexpr size_t kAhead = 3;                                      // rows fetched before they are needed

// Where the sums of a query of narrow codes start; see `GroupWeights`.
inline int32_t narrow_start(const int32_t* codes, size_t words) {
    const int8_t* bytes = reinterpret_cast<const int8_t*>(codes);
    int32_t sum = 0;
    for (size_t i = 0; i < 4 * words; ++i) sum += bytes[i];
    return -128 * sum;
}

// Put the codes of query i where its group has them, [word][query]; zeros where there is no such query.
inline void interleave(const int32_t* from, size_t i, size_t words, size_t group, std::vector<int32_t>& codes) {
    int32_t* to = codes.data() + i / group * group * words + i % group;
    for (size_t word = 0; word < words; ++word, to += group) *to = from ? from[word] : 0;
}

inline void prefetch(const void* row, size_t bytes) {
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(static_cast<const char*>(row) + at, 0, 1);
}

}  // namespace goldpan
