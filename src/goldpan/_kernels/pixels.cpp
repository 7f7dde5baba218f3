// Images made smaller by averaging areas, or resampled by a filter; goldpan/imaging/scaling.py is the only caller and
// says the rules.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "raster.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace nb = nanobind;

namespace {

using raster::Image, raster::kChannels, raster::View;
using Size = std::pair<size_t, size_t>;  // width, height

constexpr int kRowUnit = 256, kColumnUnit = 65535;  // what the weights of one cell sum up to

// One side: cell i of `to` covers from/to of the pixels, `taps` of them at most, from first[i] on.
struct Cells {
    Cells(uint64_t from, uint64_t to, uint64_t unit)
        : taps(std::min(from, (from - 1) / to + 2)), first(to), weights(to * taps) {
        for (uint64_t i = 0; i < to; ++i) {
            const uint64_t begin = i * from, end = begin + from;  // in units of 1/to of a pixel
            first[i] = std::min(begin / to, from - taps);
            for (uint64_t tap = 0, before = 0; tap < taps; ++tap) {
                const uint64_t covered = std::clamp((first[i] + tap + 1) * to, begin, end) - begin;
                const uint64_t upto = (2 * unit * covered + from) / (2 * from);  // rounded, so that all sum up to unit
                weights[i * taps + tap] = static_cast<uint16_t>(upto - before);
                before = upto;
            }
        }
    }

    uint64_t taps;
    std::vector<uint64_t> first;
    std::vector<uint16_t> weights;
};

// The weighted sum of the rows of one cell: 256 times their average.
void add_rows(const uint8_t* rows, size_t width, const uint16_t* weights, uint64_t taps, uint16_t* sum) {
    for (size_t x = 0; x < width; ++x) sum[x] = static_cast<uint16_t>(weights[0] * rows[x]);
    for (uint64_t tap = 1; tap < taps; ++tap) {
        const uint8_t* row = rows + tap * width;
        const uint16_t weight = weights[tap];
        if (weight == 0) continue;
        for (size_t x = 0; x < width; ++x) sum[x] = static_cast<uint16_t>(sum[x] + weight * row[x]);
    }
}

// Weights of columns, each as often as a pixel has channels, so that two pixels are multiplied at once; 0 fills up.
std::vector<uint16_t> in_pairs(const Cells& columns) {
    const uint64_t pairs = (columns.taps + 1) / 2;
    std::vector<uint16_t> spread(columns.first.size() * pairs * 2 * kChannels);
    for (uint64_t i = 0; i < columns.first.size(); ++i)
        for (uint64_t tap = 0; tap < columns.taps; ++tap)
            std::fill_n(&spread[(i * pairs * 2 + tap) * kChannels], kChannels, columns.weights[i * columns.taps + tap]);
    return spread;
}

// The averages of the pixels of each cell; products lose what is below 1/256. They read a pixel more where taps are odd.
#if defined(__SSE2__)
template <uint64_t kPairs>  // 0: any number
__m128i weighted(const uint16_t* pixels, const uint16_t* weights, uint64_t pairs) {
    const auto at = [](const uint16_t* value) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(value)); };
    __m128i sum = _mm_mulhi_epu16(at(pixels), at(weights));
    for (uint64_t pair = 1; pair < (kPairs ? kPairs : pairs); ++pair)
        sum = _mm_add_epi16(sum, _mm_mulhi_epu16(at(pixels + 8 * pair), at(weights + 8 * pair)));
    return sum;
}

template <uint64_t kPairs>
void average_pairs(const uint16_t* row, const Cells& columns, const uint16_t* weights, uint64_t pairs, uint8_t* to) {
    const size_t cells = columns.first.size();
    const auto of = [&](size_t cell) {
        return weighted<kPairs>(row + kChannels * columns.first[cell], weights + 8 * pairs * cell, pairs);
    };
    for (size_t i = 0; i < cells; i += 2) {
        const size_t cell = std::min(i, cells - 2);  // an odd one at the end goes with the one before it
        const __m128i one = of(cell), other = of(cell + 1);
        __m128i sum = _mm_add_epi16(_mm_unpacklo_epi64(one, other), _mm_unpackhi_epi64(one, other));
        sum = _mm_srli_epi16(_mm_add_epi16(sum, _mm_set1_epi16(128)), 8);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to + kChannels * cell), _mm_packus_epi16(sum, sum));
    }
}
#endif

void average(const uint16_t* row, const Cells& columns, const uint16_t* weights, uint64_t pairs, uint8_t* to) {
#if defined(__SSE2__)
    if (columns.first.size() > 1) {
        const auto averages = pairs == 1 ? average_pairs<1> : pairs == 2 ? average_pairs<2> : average_pairs<0>;
        averages(row, columns, weights, pairs, to);
        return;
    }
#endif
    for (const uint64_t first : columns.first) {
        for (size_t channel = 0; channel < kChannels; ++channel) {
            uint32_t sum = 128;
            for (uint64_t tap = 0; tap < 2 * pairs; ++tap)
                sum += uint32_t{row[kChannels * (first + tap) + channel]} * weights[kChannels * tap + channel] >> 16;
            *to++ = static_cast<uint8_t>(sum >> 8);
        }
        weights += 2 * kChannels * pairs;
    }
}

Image shrink(nb::handle pixels, Size size, Size smaller) {
    const View from(pixels, size.first, size.second);
    const Image to(smaller.first, smaller.second);
    if (to.width < 1 || to.width > from.width || to.height < 1 || to.height > from.height)
        throw std::invalid_argument("an image can only be made smaller, and keeps a pixel");
    nb::gil_scoped_release released;
    const size_t width = kChannels * from.width;
    const Cells rows(from.height, to.height, kRowUnit), columns(from.width, to.width, kColumnUnit);
    const std::vector<uint16_t> spread = in_pairs(columns);
    const uint64_t pairs = (columns.taps + 1) / 2;
    std::vector<uint16_t> sum(width + kChannels);
    for (size_t y = 0; y < to.height; ++y) {
        add_rows(from.row(rows.first[y]), width, &rows.weights[y * rows.taps], rows.taps, sum.data());
        average(sum.data(), columns, spread.data(), pairs, to.row(y));
    }
    return to;
}

// One side by a filter: pixel i of `to` is a weighted mean of `taps` pixels of `from`, from first[i] on. The filter is
// widened where the side gets shorter, so that no pixel is left out.
struct Taps {
    Taps(int64_t from, int64_t to, double (*filter)(double), double reach) : first(to) {
        const double step = static_cast<double>(from) / to, scale = std::max(step, 1.0), support = reach * scale;
        taps = std::min<int64_t>(from, std::ceil(2 * support));  // it is 0 at its ends
        weights.resize(to * taps);
        for (int64_t i = 0; i < to; ++i) {
            const double center = (i + 0.5) * step;
            first[i] = std::clamp<int64_t>(center - support + 0.5, 0, from - taps);
            double sum = 0;
            std::vector<double> found(taps);
            for (int64_t tap = 0; tap < taps; ++tap) {
                found[tap] = filter(std::abs(first[i] + tap + 0.5 - center) / scale);
                sum += found[tap];
            }
            for (int64_t tap = 0; tap < taps; ++tap) weights[i * taps + tap] = found[tap] / sum;
        }
    }

    int64_t taps;
    std::vector<int64_t> first;
    std::vector<float> weights;
};

double linear(double x) { return std::max(0.0, 1 - x); }

double cubic(double x) {  // Keys (1981), a = -1/2
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

double lanczos(double x) {  // of three lobes
    constexpr double kPi = 3.14159265358979323846;
    return x == 0 ? 1 : x < 3 ? 3 * std::sin(kPi * x) * std::sin(kPi * x / 3) / (kPi * kPi * x * x) : 0;
}

typedef float Pixel __attribute__((vector_size(kChannels * sizeof(float))));
constexpr size_t kBlock = 4;  // pixels whose sums are kept in registers

// One row to another width; `line` is room for it.
void across(const uint8_t* row, const Taps& columns, std::vector<Pixel>& line, Pixel* to) {
    for (size_t x = 0; x < line.size(); ++x)
        for (size_t channel = 0; channel < kChannels; ++channel) line[x][channel] = row[kChannels * x + channel];
    const float* weights = columns.weights.data();
    for (const int64_t first : columns.first) {
        Pixel sum = {};
        for (int64_t tap = 0; tap < columns.taps; ++tap) sum += weights[tap] * line[first + tap];
        *to++ = sum;
        weights += columns.taps;
    }
}

// To whole numbers from 0 to 255, a half to the even one.
void round_off(const Pixel (&sum)[kBlock], uint8_t* to) {
#if defined(__SSE2__)
    const auto pair = [&](size_t i) { return _mm_packs_epi32(_mm_cvtps_epi32(sum[i]), _mm_cvtps_epi32(sum[i + 1])); };
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(pair(0), pair(2)));
#else
    for (size_t i = 0; i < kBlock * kChannels; ++i)
        to[i] = static_cast<uint8_t>(std::nearbyint(std::clamp(sum[i / kChannels][i % kChannels], 0.0f, 255.0f)));
#endif
}

// The weighted sum of rows; `at` has the place of each, `width` is in pixels and a multiple of the block.
void down(const Pixel* const* at, const float* weights, int64_t taps, size_t width, uint8_t* to) {
    for (size_t x = 0; x < width; x += kBlock) {
        Pixel sum[kBlock] = {};
        for (int64_t tap = 0; tap < taps; ++tap)
            for (size_t i = 0; i < kBlock; ++i) sum[i] += weights[tap] * at[tap][x + i];
        round_off(sum, to + kChannels * x);
    }
}

Image resample(nb::handle pixels, Size size, Size other, const std::string& filter) {
    const View from(pixels, size.first, size.second);
    const Image to(other.first, other.second);
    if (to.width < 1 || to.height < 1) throw std::invalid_argument("an image has pixels");
    const auto of = [&](size_t side, size_t wanted) {
        if (filter == "linear") return Taps(side, wanted, linear, 1);
        if (filter == "cubic") return Taps(side, wanted, cubic, 2);
        if (filter == "lanczos") return Taps(side, wanted, lanczos, 3);
        throw std::invalid_argument("a filter is linear, cubic or lanczos");
    };
    nb::gil_scoped_release released;
    const Taps rows = of(from.height, to.height), columns = of(from.width, to.width);
    const size_t padded = (to.width + kBlock - 1) / kBlock * kBlock;
    std::vector<Pixel> line(from.width), kept(rows.taps * padded);  // only the rows that are still needed
    std::vector<const Pixel*> at(rows.taps);
    std::vector<uint8_t> out(kChannels * padded);
    int64_t next = 0;
    for (size_t y = 0; y < to.height; ++y) {
        for (; next < rows.first[y] + rows.taps; ++next)
            across(from.row(next), columns, line, &kept[next % rows.taps * padded]);
        for (int64_t tap = 0; tap < rows.taps; ++tap) at[tap] = &kept[(rows.first[y] + tap) % rows.taps * padded];
        down(at.data(), &rows.weights[y * rows.taps], rows.taps, padded, out.data());
        std::copy_n(out.data(), kChannels * to.width, to.row(y));
    }
    return to;
}

}  // namespace

NB_MODULE(_pixels, m) {
    nb::class_<Image>(m, "Image").def("__arrow_c_array__", &Image::arrow, nb::arg("requested_schema") = nb::none());
    m.def("shrink", &shrink, nb::arg("pixels"), nb::arg("size"), nb::arg("smaller"));
    m.def("resample", &resample, nb::arg("pixels"), nb::arg("size"), nb::arg("other"), nb::arg("filter"));
}
