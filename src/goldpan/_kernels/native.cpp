// Python's view of the kernels; goldpan/search/native.py is the only caller.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>

#include "lists.h"
#include "native.h"
#include "search.h"

namespace nb = nanobind;
using namespace goldpan;

namespace {

template <typename T, int kAxes>
using Array = nb::ndarray<T, nb::ndim<kAxes>, nb::c_contig, nb::device::cpu>;
using AnyRows = nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

const Level& level_of(const std::string& name) {
    const Level* level = find_level(name.c_str());
    if (!level) throw std::invalid_argument("this machine has no kernels for " + name);
    return *level;
}

Rows rows_of(const AnyRows& rows) {
    if (rows.dtype() == nb::dtype<float>()) return {static_cast<const float*>(rows.data()), nullptr};
    if (rows.dtype() == nb::dtype<double>()) return {nullptr, static_cast<const double*>(rows.data())};
    throw std::invalid_argument("rows must be float32 or float64");
}

std::vector<std::string> levels() {
    std::vector<std::string> names;
    for (const char* name : level_names()) names.emplace_back(name);
    return names;
}

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

// Codes of rows as they come, laid out as panels of words or, for queries, row by row.
class Layout {
public:
    Layout(const Tiling* panels, size_t words, int32_t* codes) : panel_(panels ? panels->panel : 1), words_(words),
                                                                 codes_(codes), held_(panel_ * words) {}

    int32_t* row(size_t row) { return panel_ == 1 ? codes_ + row * words_ : held_.data() + row % panel_ * words_; }

    void written(size_t row) {
        if (panel_ == 1 || row % panel_ != panel_ - 1) return;
        int32_t* to = codes_ + (row - panel_ + 1) * words_;
        for (size_t word = 0; word < words_; ++word)
            for (size_t lane = 0; lane < panel_; ++lane) *to++ = held_[lane * words_ + word];
    }

private:
    const size_t panel_, words_;
    int32_t* codes_;
    std::vector<int32_t> held_;
};

// Codes are 16 or 8 bits a dimension, and a row of them whole words.
template <typename Code>
size_t words_of(size_t d) {
    return (d * sizeof(Code) + 3) / 4;
}

size_t padded(size_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

struct PackedFields {
    double *scale, *norm, *residual;

    void set(size_t row, const PackedRow& packed) const {
        scale[row] = packed.scale;
        norm[row] = packed.norm;
        residual[row] = packed.residual;
    }
};

using Field = Array<double, 1>;

PackedFields packed_fields(size_t n, Field& scale, Field& norm, Field& residual) {
    require(scale.shape(0) == n && norm.shape(0) == n && residual.shape(0) == n, "pack: shapes do not fit");
    return {scale.data(), norm.data(), residual.data()};
}

void pack(const std::string& level_name, AnyRows rows, Array<const double, 1> mean, bool unit, bool whole, bool panels,
          Array<int16_t, 2> codes, Field scale, Field norm, Field residual) {
    const Level& level = level_of(level_name);
    const Rows from = rows_of(rows);
    const size_t n = rows.shape(0), d = rows.shape(1), words = words_of<int16_t>(d), filled = panels ? padded(n) : n;
    require(mean.shape(0) == d && codes.shape(0) == filled && codes.shape(1) == 2 * words, "pack: shapes do not fit");
    const PackedFields fields = packed_fields(n, scale, norm, residual);
    nb::gil_scoped_release released;
    const PackOptions options = {mean.data(), unit, whole};
    std::vector<double> buffer(d);
    Layout layout(panels ? &level.wide : nullptr, words, reinterpret_cast<int32_t*>(codes.data()));
    for (size_t row = 0; row < filled; ++row) {
        int16_t* to = reinterpret_cast<int16_t*>(layout.row(row));
        if (row >= n) std::fill_n(to, 2 * words, int16_t{0});
        else if (from.floats) fields.set(row, level.pack_float(from.floats + row * d, d, options, buffer.data(), to));
        else fields.set(row, level.pack_double(from.doubles + row * d, d, options, buffer.data(), to));
        layout.written(row);
    }
}

void pack_narrow(const std::string& level_name, Array<const float, 2> rows, Array<const double, 1> mean, bool unit,
                 bool panels, Array<const int32_t, 1> order, Array<const float, 1> sign, Array<int8_t, 2> codes,
                 Field scale, Field norm, Field residual) {
    const Level& level = level_of(level_name);
    const size_t n = rows.shape(0), d = rows.shape(1), words = words_of<int8_t>(d), filled = panels ? padded(n) : n;
    require(mean.shape(0) == d && order.shape(0) == d && sign.shape(0) == d && codes.shape(0) == filled &&
                codes.shape(1) == 4 * words,
            "pack: shapes do not fit");
    for (size_t i = 0; i < d; ++i) require(order.data()[i] >= 0 && order.data()[i] < static_cast<int64_t>(d), "pack: order");
    const PackedFields fields = packed_fields(n, scale, norm, residual);
    nb::gil_scoped_release released;
    const PackOptions options = {mean.data(), unit, false};
    const Rotation rotation = {order.data(), sign.data()};
    std::vector<double> buffer(d);
    std::vector<float> turned(d);
    Layout layout(panels ? &level.narrow : nullptr, words, reinterpret_cast<int32_t*>(codes.data()));
    for (size_t row = 0; row < filled; ++row) {
        int8_t* to = reinterpret_cast<int8_t*>(layout.row(row));
        if (row >= n) std::fill_n(to, 4 * words, int8_t{0});
        else
            fields.set(row, level.pack_narrow(rows.data() + row * d, d, options, rotation, buffer.data(), turned.data(), to));
        if (panels)
            for (size_t i = 0; i < 4 * words; ++i) to[i] = static_cast<int8_t>(to[i] ^ -128);  // 128 higher, unsigned
        layout.written(row);
    }
}

using Floats = Array<const float, 1>;
using Doubles = Array<const double, 1>;

Base base_of(const AnyRows& rows, int64_t first_id, const int32_t* codes, const Floats& scale, const Floats& norm,
             const Floats& residual, const Floats& offset) {
    const size_t n = rows.shape(0);
    for (const auto* field : {&scale, &norm, &residual, &offset})
        require(field->shape(0) == padded(n), "search: fields do not fit");
    return {rows_of(rows), n, first_id, codes, {scale.data(), norm.data(), residual.data(), offset.data()}};
}

Queries queries_of(const AnyRows& rows, const int32_t* codes, size_t words, const Floats& norm_weight,
                   const Floats& residual_weight, const Floats& offset_weight, const Doubles& slope,
                   const Doubles& shift, const Doubles& relative, const Doubles& slack) {
    const size_t m = rows.shape(0);
    for (const auto* weight : {&norm_weight, &residual_weight, &offset_weight})
        require(weight->shape(0) == m, "search: weights do not fit");
    for (const auto* rule : {&slope, &shift, &relative, &slack}) require(rule->shape(0) == m, "search: rules do not fit");
    return {rows_of(rows), m, codes, words, norm_weight.data(), residual_weight.data(), offset_weight.data(),
            slope.data(), shift.data(), relative.data(), slack.data()};
}

Answers answers_of(size_t m, Array<double, 2>& keys, Array<int64_t, 2>& ids, Array<int64_t, 1>& survivors) {
    require(keys.shape(0) == m && ids.shape(0) == m && survivors.shape(0) == m && keys.shape(1) == ids.shape(1) &&
                keys.shape(1) > 0,
            "search: answers do not fit");
    return {keys.data(), ids.data(), survivors.data(), keys.shape(1)};
}

template <typename Code>
size_t checked_words(const AnyRows& rows, const Array<const Code, 2>& codes, const AnyRows& query_rows,
                     const Array<const Code, 2>& query_codes) {
    const size_t words = words_of<Code>(rows.shape(1)), width = words * 4 / sizeof(Code);
    require(query_rows.shape(1) == rows.shape(1) && codes.shape(0) == padded(rows.shape(0)) &&
                codes.shape(1) == width && query_codes.shape(0) == query_rows.shape(0) && query_codes.shape(1) == width,
            "search: rows and codes do not fit");
    return words;
}

template <typename Code>
const int32_t* as_words(const Array<const Code, 2>& codes) {
    return reinterpret_cast<const int32_t*>(codes.data());
}

bool search(const std::string& level_name, int metric, AnyRows rows, int64_t first_id, Array<const int16_t, 2> codes,
            Floats scale, Floats norm, Floats residual, Floats offset, AnyRows query_rows,
            Array<const int16_t, 2> query_codes, Floats norm_weight, Floats residual_weight, Floats offset_weight,
            Doubles slope, Doubles shift, Doubles relative, Doubles slack, Array<double, 2> keys,
            Array<int64_t, 2> ids, Array<int64_t, 1> survivors) {
    const Level& level = level_of(level_name);
    const size_t words = checked_words(rows, codes, query_rows, query_codes);
    const Base base = base_of(rows, first_id, as_words(codes), scale, norm, residual, offset);
    const Queries queries = queries_of(query_rows, as_words(query_codes), words, norm_weight, residual_weight,
                                       offset_weight, slope, shift, relative, slack);
    const Answers answers = answers_of(queries.n, keys, ids, survivors);
    nb::gil_scoped_release released;
    return search_block(level, base, queries, rows.shape(1), static_cast<Metric>(metric), answers);
}

bool filter_narrow(const std::string& level_name, int metric, AnyRows rows, int64_t first_id,
                   Array<const int8_t, 2> codes, Floats scale, Floats norm, Floats residual, Floats offset,
                   AnyRows query_rows, Array<const int8_t, 2> query_codes, Floats norm_weight, Floats residual_weight,
                   Floats offset_weight, Doubles slope, Doubles shift, Doubles relative, Doubles slack,
                   Array<double, 2> keys, Array<int64_t, 2> ids, Array<int64_t, 1> survivors, Doubles length,
                   double mean_norm, double unit, Array<int32_t, 1> looked_at) {
    const Level& level = level_of(level_name);
    const size_t words = checked_words(rows, codes, query_rows, query_codes);
    const Base base = base_of(rows, first_id, as_words(codes), scale, norm, residual, offset);
    const Queries queries = queries_of(query_rows, as_words(query_codes), words, norm_weight, residual_weight,
                                       offset_weight, slope, shift, relative, slack);
    const Answers answers = answers_of(queries.n, keys, ids, survivors);
    require(base.rows.floats && queries.rows.floats, "search_narrow: rows must be float32");
    require(length.shape(0) == queries.n && looked_at.shape(0) == queries.n, "search_narrow: shapes do not fit");
    const Second second = {length.data(), mean_norm, unit, looked_at.data()};
    nb::gil_scoped_release released;
    return search_narrow(level, base, queries, second, rows.shape(1), static_cast<Metric>(metric), answers);
}

int64_t scan(const std::string& level_name, int metric, AnyRows rows, int64_t first_id, AnyRows query_rows,
             Array<double, 2> keys, Array<int64_t, 2> ids, Array<int64_t, 1> survivors) {
    const Level& level = level_of(level_name);
    const Rows base = rows_of(rows), queries = rows_of(query_rows);
    const size_t n = rows.shape(0), d = rows.shape(1), m = query_rows.shape(0);
    require(query_rows.shape(1) == d, "scan: shapes do not fit");
    const Answers answers = answers_of(m, keys, ids, survivors);
    nb::gil_scoped_release released;
    return search_rows(level, base, n, first_id, queries, m, d, static_cast<Metric>(metric), answers);
}

void hamming(const std::string& level_name, Array<const uint64_t, 2> rows, int64_t first_id,
             Array<const uint64_t, 2> queries, Array<double, 2> keys, Array<int64_t, 2> ids,
             Array<int64_t, 1> survivors) {
    const Level& level = level_of(level_name);
    require(rows.shape(1) == queries.shape(1), "hamming: shapes do not fit");
    const Answers answers = answers_of(queries.shape(0), keys, ids, survivors);
    nb::gil_scoped_release released;
    search_bits(level, rows.data(), rows.shape(0), first_id, queries.data(), queries.shape(0), rows.shape(1), answers);
}

using Ints = Array<const int32_t, 1>;

void lists_add(Lists& lists, Ints list, Ints slots, Array<const int32_t, 2> codes, Floats scale, Floats offset) {
    const size_t n = list.shape(0);
    require(slots.shape(0) == n && codes.shape(0) == n && scale.shape(0) == n && offset.shape(0) == n,
            "add: shapes do not fit");
    const Listed rows = {n, list.data(), slots.data(), codes.data(), scale.data(), offset.data()};
    nb::gil_scoped_release released;
    lists.add(rows);
}

void lists_search(const Lists& lists, Array<const int32_t, 2> codes, Floats scale, Array<const float, 2> queries,
                  Array<const int32_t, 2> probed, Array<const float, 2> near, Array<const float, 2> rows, bool distance,
                  size_t pool, Array<int32_t, 2> slots, Array<float, 2> keys) {
    const size_t n = queries.shape(0), d = queries.shape(1), width = probed.shape(1);
    require(codes.shape(0) == n && scale.shape(0) == n && probed.shape(0) == n && near.shape(0) == n &&
                near.shape(1) == width && rows.shape(1) == d && slots.shape(0) == n && keys.shape(0) == n &&
                keys.shape(1) == slots.shape(1) && pool >= slots.shape(1),
            "search: shapes do not fit");
    const Probes probes = {n, width, codes.data(), scale.data(), queries.data(), probed.data(), near.data()};
    nb::gil_scoped_release released;
    lists.search(probes, rows.data(), d, distance, pool, slots.shape(1), slots.data(), keys.data());
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "Hot loops of goldpan.";
    m.attr("INTERFACE") = 2;  // as INTERFACE in __init__.py, which tells when to raise it
    m.def("levels", &levels, "Instruction sets this machine can run, fastest first.");
    m.def("narrow_first", [](const std::string& level) { return level_of(level).narrow_first; },
          "Whether narrow codes are worth trying before wide ones.");
    nb::class_<Lists>(m, "Lists")
        .def("__init__", [](Lists* self, const std::string& level, bool narrow, size_t words, size_t n_lists) {
            new (self) Lists(level_of(level), narrow, words, n_lists);
        })
        .def("add", &lists_add)
        .def("remove", [](Lists& lists, Ints slots) { lists.remove(slots.data(), slots.shape(0)); })
        .def("shrink", &Lists::shrink)
        .def("sizes", [](const Lists& lists, size_t n) {
            std::vector<size_t> sizes(n);
            for (size_t i = 0; i < n; ++i) sizes[i] = lists.size(i);
            return sizes;
        })
        .def("bytes", &Lists::bytes)
        .def("search", &lists_search);
    bind_captions(m);
    m.def("pack", &pack);
    m.def("pack_narrow", &pack_narrow);
    m.def("search", &search);
    m.def("search_narrow", &filter_narrow);
    m.def("scan", &scan);
    m.def("hamming", &hamming);
}
