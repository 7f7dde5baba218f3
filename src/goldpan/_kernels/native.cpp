#include <nanobind/nanobind.h>

NB_MODULE(_native, m) { m.doc() = "Hot loops of goldpan."; }
