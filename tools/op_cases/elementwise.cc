// Rows of the elementwise family.
#include "core/ops/elementwise.h"

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

const bool registered = add_op_cases({
    {.op = "add",
     .inputs = {{.shape = {3, 5}}, {.shape = {3, 5}}},
     .run = [](In in, const Attributes&) { return add(in[0], in[1]); },
     .reference = [](const Arrays& in,
                     const Attributes&) { return map(in[0], in[1], [](double a, double b) { return a + b; }); }},
});

}  // namespace
}  // namespace weft::tools
