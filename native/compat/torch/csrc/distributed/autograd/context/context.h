// Debian's libtorch-dev 1.13 lacks this header, which the one of c10d's reducer includes. The reducer holds a pointer to the class and
// compares the type of a callback: a declaration of both is enough. Only on the path where the real header is not.
#pragma once
#include <functional>
#include <memory>

#include <ATen/core/Tensor.h>

namespace torch {
namespace distributed {
namespace autograd {

class DistAutogradContext {
public:
    using GradCallback = std::function<bool(at::Tensor&)>;
};
using ContextPtr = std::shared_ptr<DistAutogradContext>;

}  // namespace autograd
}  // namespace distributed
}  // namespace torch
