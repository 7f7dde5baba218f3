// Captions by their words: which full-text queries hold for which rows, all queries in one pass over the text.
// The language and the tokens are those of SQLite FTS5 with unicode61; see goldpan/search/captions/.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace goldpan {

// Code points from `start` on are `delta` away from what they fold to, or one of the two below.
struct Run {
    int32_t start, delta;
};
constexpr int32_t kSeparator = INT32_MIN, kVanishing = INT32_MIN + 1;

// Queries as flat tables; `x_ends[i]` is where the entries of i end and those of i + 1 begin.
struct CaptionQueries {
    std::vector<std::string> words;              // folded; words[n_words..] are beginnings of words
    size_t n_words;
    std::vector<int32_t> phrase_words, phrase_ends;
    std::vector<uint8_t> phrase_first;           // must stand at the beginning of the text
    std::vector<int32_t> programs, program_ends; // postfix: a phrase, or one of the operators
    std::vector<int32_t> anchors, anchor_ends;   // of each word, the queries that cannot hold without it or another anchor
};
constexpr int32_t kAnd = -1, kOr = -2, kNot = -3;

struct CaptionMatch {
    int64_t row;
    int32_t query;
};

class Captions {
public:
    Captions(std::vector<Run> runs, CaptionQueries queries);

    // Texts of UTF-8: row i is text[offsets[i], offsets[i + 1]). Rows ascending, queries ascending in each.
    template <typename Offset>
    std::vector<CaptionMatch> match(const uint8_t* text, const Offset* offsets, size_t n) const;

private:
    struct Found;  // the words of one text
    struct Entry {
        uint64_t hash;
        int32_t word;
    };

    int32_t folded(uint32_t code) const;
    void tokenize(const uint8_t* text, const uint8_t* end, Found&) const;
    void take(const std::string& token, uint64_t hash, Found&) const;
    int32_t find(const char* word, size_t size, uint64_t hash) const;
    bool holds(int32_t query, const Found&, std::vector<char>& stack) const;
    bool stands(int32_t phrase, const Found&) const;

    const std::vector<Run> runs_;
    const CaptionQueries queries_;
    std::vector<int32_t> low_;        // of the code points below 65,536, what `folded` gives
    uint8_t ascii_[128];              // what they fold to, 0 for separators
    std::vector<Entry> table_;        // open addressing
    std::vector<size_t> prefix_sizes_;
    size_t longest_ = 0;
};

}  // namespace goldpan
