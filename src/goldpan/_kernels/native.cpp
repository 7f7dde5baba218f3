// Python's view of the kernels; goldpan/search/native.py is the only caller.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>

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

// Lay 16 rows of codes, read from `row_codes`, out as one panel.
void to_panel(const int16_t* row_codes, size_t width, int16_t* panel) {
    for (size_t pair = 0; pair < width / 2; ++pair)
        for (int row = 0; row < kPanel; ++row) {
            panel[(pair * kPanel + row) * 2] = row_codes[row * width + 2 * pair];
            panel[(pair * kPanel + row) * 2 + 1] = row_codes[row * width + 2 * pair + 1];
        }
}

void pack(const std::string& level_name, AnyRows rows, Array<const double, 1> mean, bool unit, bool whole, bool panels,
          Array<int16_t, 2> codes, Array<double, 1> scale, Array<double, 1> norm, Array<double, 1> residual) {
    const Level& level = level_of(level_name);
    const Rows from = rows_of(rows);
    const size_t n = rows.shape(0), d = rows.shape(1), width = d + d % 2;
    const size_t filled = panels ? (n + kPanel - 1) / kPanel * kPanel : n;
    require(mean.shape(0) == d && codes.shape(0) == filled && codes.shape(1) == width && scale.shape(0) == n &&
                norm.shape(0) == n && residual.shape(0) == n,
            "pack: shapes do not fit");
    nb::gil_scoped_release released;
    const PackOptions options = {mean.data(), unit, whole};
    std::vector<double> buffer(d);
    std::vector<int16_t> held(panels ? kPanel * width : 0);
    for (size_t row = 0; row < filled; ++row) {
        int16_t* to = panels ? held.data() + row % kPanel * width : codes.data() + row * width;
        if (row < n) {
            const PackedRow packed = from.floats ? level.pack_float(from.floats + row * d, d, options, buffer.data(), to)
                                                 : level.pack_double(from.doubles + row * d, d, options, buffer.data(), to);
            scale.data()[row] = packed.scale;
            norm.data()[row] = packed.norm;
            residual.data()[row] = packed.residual;
        } else {
            std::fill_n(to, width, int16_t{0});
        }
        if (panels && row % kPanel == kPanel - 1) to_panel(held.data(), width, codes.data() + (row - kPanel + 1) * width);
    }
}

bool search(const std::string& level_name, int metric, AnyRows rows, int64_t first_id, Array<const int16_t, 2> codes,
            Array<const float, 1> scale, Array<const float, 1> norm, Array<const float, 1> residual,
            Array<const float, 1> offset, AnyRows query_rows, Array<const int16_t, 2> query_codes,
            Array<const float, 1> norm_weight, Array<const float, 1> residual_weight,
            Array<const float, 1> offset_weight, Array<const double, 1> slope, Array<const double, 1> shift,
            Array<const double, 1> relative, Array<const double, 1> slack, Array<double, 2> keys, Array<int64_t, 2> ids,
            Array<int64_t, 1> survivors) {
    const Level& level = level_of(level_name);
    const size_t n = rows.shape(0), d = rows.shape(1), width = d + d % 2, m = query_rows.shape(0);
    const size_t padded = (n + kPanel - 1) / kPanel * kPanel;
    require(query_rows.shape(1) == d && codes.shape(0) == padded && codes.shape(1) == width &&
                query_codes.shape(0) == m && query_codes.shape(1) == width,
            "search: rows and codes do not fit");
    for (const auto* field : {&scale, &norm, &residual, &offset})
        require(field->shape(0) == padded, "search: fields do not fit");
    for (const auto* weight : {&norm_weight, &residual_weight, &offset_weight})
        require(weight->shape(0) == m, "search: weights do not fit");
    for (const auto* rule : {&slope, &shift, &relative, &slack}) require(rule->shape(0) == m, "search: rules do not fit");
    require(keys.shape(0) == m && ids.shape(0) == m && survivors.shape(0) == m && keys.shape(1) == ids.shape(1) &&
                keys.shape(1) > 0,
            "search: answers do not fit");
    const Base base = {rows_of(rows), n, first_id, codes.data(),
                       {scale.data(), norm.data(), residual.data(), offset.data()}};
    const Queries queries = {rows_of(query_rows), m, query_codes.data(), norm_weight.data(), residual_weight.data(),
                             offset_weight.data(), slope.data(), shift.data(), relative.data(), slack.data()};
    const Answers answers = {keys.data(), ids.data(), survivors.data(), keys.shape(1)};
    nb::gil_scoped_release released;
    return search_block(level, base, queries, d, static_cast<Metric>(metric), answers);
}

int64_t scan(const std::string& level_name, int metric, AnyRows rows, int64_t first_id, AnyRows query_rows,
             Array<double, 2> keys, Array<int64_t, 2> ids, Array<int64_t, 1> survivors) {
    const Level& level = level_of(level_name);
    const Rows base = rows_of(rows), queries = rows_of(query_rows);
    const size_t n = rows.shape(0), d = rows.shape(1), m = query_rows.shape(0);
    require(query_rows.shape(1) == d && keys.shape(0) == m && ids.shape(0) == m && survivors.shape(0) == m &&
                keys.shape(1) == ids.shape(1) && keys.shape(1) > 0,
            "scan: shapes do not fit");
    const Answers answers = {keys.data(), ids.data(), survivors.data(), keys.shape(1)};
    nb::gil_scoped_release released;
    return search_rows(level, base, n, first_id, queries, m, d, static_cast<Metric>(metric), answers);
}

void hamming(const std::string& level_name, Array<const uint64_t, 2> rows, int64_t first_id,
             Array<const uint64_t, 2> queries, Array<double, 2> keys, Array<int64_t, 2> ids,
             Array<int64_t, 1> survivors) {
    const Level& level = level_of(level_name);
    require(rows.shape(1) == queries.shape(1) && keys.shape(0) == queries.shape(0) && ids.shape(0) == keys.shape(0) &&
                keys.shape(1) == ids.shape(1) && survivors.shape(0) == keys.shape(0) && keys.shape(1) > 0,
            "hamming: shapes do not fit");
    const Answers answers = {keys.data(), ids.data(), survivors.data(), keys.shape(1)};
    nb::gil_scoped_release released;
    search_bits(level, rows.data(), rows.shape(0), first_id, queries.data(), queries.shape(0), rows.shape(1), answers);
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "Hot loops of goldpan.";
    m.def("levels", &levels, "Instruction sets this machine can run, fastest first.");
    m.def("pack", &pack);
    m.def("search", &search);
    m.def("scan", &scan);
    m.def("hamming", &hamming);
}
