// Small masks of probabilities back to the size of an image (He et al., 2017, arXiv:1703.06870, section 3.1): each is stretched over
// its box, bilinearly and with zeros around it, and cut at a threshold. What results is run lengths, column by column as in COCO's
// annotations: nothing of the image's size is held. Reached as tessera::paste_masks and tessera::paste_mask_runs.
#include "clones.h"
#include "tessera.h"

#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace tessera {
namespace {

// Where the pixels from low to high of an axis lie among the mask's: between number index and the one after it, as far as `share` says.
// The mask has a zero before its first and one after its last pixel; index counts from the former.
struct Axis {
    int64_t low = 0, high = 0;
    std::vector<int32_t> index;
    std::vector<float> share;

    Axis(float from, float to, int64_t pixels, int64_t size) {
        auto position = [&](int64_t pixel) {
            const auto grid = (static_cast<float>(pixel) + 0.5f - from) / (to - from) * 2 - 1;
            return ((grid + 1) * static_cast<float>(size) - 1) / 2;
        };
        // Written so that a position that is not a number lies outside.
        auto inside = [&](int64_t pixel) {
            const auto at = position(pixel);
            return at > -1 && at < static_cast<float>(size);
        };
        // A position grows with its pixel, falls in a box that is turned around: those inside follow each other.
        const auto margin = std::abs(to - from) / static_cast<float>(size) + 2, least = std::min(from, to) - margin,
                   greatest = std::max(from, to) + margin;
        low = static_cast<int64_t>(std::min(std::max(0.0f, least), static_cast<float>(pixels)));
        high = static_cast<int64_t>(std::min(std::max(0.0f, greatest), static_cast<float>(pixels)));
        while (low < high && !inside(low)) low++;
        while (low < high && !inside(high - 1)) high--;
        for (auto pixel = low; pixel < high; pixel++) {
            const auto at = position(pixel), whole = std::floor(at);
            index.push_back(static_cast<int32_t>(whole) + 1);
            share.push_back(at - whole);
        }
    }
};

struct Mask {
    Axis down, across;
    const float* values;  // [size, size]
    int64_t size;
};

// The pixels of one column between down.low and down.high; `around` has room for the mask's column and a zero on both sides.
TESSERA_CLONES void column(const Mask& mask, int64_t x, float* __restrict around, float* __restrict pixels) {
    const auto left = mask.across.index[x] - 1;
    const auto right_share = mask.across.share[x], left_share = 1 - right_share;
    around[0] = around[mask.size + 1] = 0;
    for (int64_t row = 0; row < mask.size; row++) {
        const auto values = mask.values + row * mask.size;
        around[row + 1] = (left >= 0 ? values[left] * left_share : 0) + (left + 1 < mask.size ? values[left + 1] * right_share : 0);
    }
    const int32_t* __restrict index = mask.down.index.data();
    const float* __restrict share = mask.down.share.data();
    const auto count = mask.down.high - mask.down.low;
#pragma omp simd
    for (int64_t y = 0; y < count; y++) pixels[y] = around[index[y]] * (1 - share[y]) + around[index[y] + 1] * share[y];
}

// Runs of pixels below and from the threshold on, in turns, column by column; the first is of those below and may be empty.
std::vector<int64_t> runs(const Mask& mask, int64_t height, int64_t width, float threshold) {
    std::vector<int64_t> lengths;
    std::vector<float> around(mask.size + 2), pixels(height);
    int64_t ended = 0, at = 0;  // where the last run ended; the pixel that is looked at
    bool set = false;
    auto turn = [&] {
        lengths.push_back(at - ended);
        ended = at, set = !set;
    };
    const auto above = mask.down.low, count = mask.down.high - mask.down.low;
    for (auto x = mask.across.low; count > 0 && x < mask.across.high; x++) {
        column(mask, x - mask.across.low, around.data(), pixels.data());
        at = x * height + above;
        // Pixels above and below of the rows that were sampled are not set.
        if (set && above > 0) at -= above, turn(), at += above;
        for (int64_t y = 0; y < count; y++, at++)
            if ((pixels[y] >= threshold) != set) turn();
        if (set && mask.down.high < height) turn();
    }
    at = height * width;
    if (set && mask.across.high < width) at = mask.across.high * height, turn(), at = height * width;
    turn();
    return lengths;
}

std::string text(at::IntArrayRef shape) {
    std::ostringstream out;
    out << shape;
    return out.str();
}

// Calls the body with every mask's number and itself, on all threads.
template <typename Body> void each(const at::Tensor& masks, const at::Tensor& boxes, int64_t height, int64_t width, Body&& body) {
    auto require = [](bool right, const std::string& message) {
        if (!right) throw Failure(ErrorKind::Shape, "paste_masks: " + message);
    };
    require(masks.dim() == 3 && masks.size(1) == masks.size(2) && masks.size(1) > 0,
        "the masks have to be [n, size, size], they are " + text(masks.sizes()));
    require(boxes.dim() == 2 && boxes.size(0) == masks.size(0) && boxes.size(1) == 4,
        "the boxes have to be [" + std::to_string(masks.size(0)) + ", 4], they are " + text(boxes.sizes()));
    require(height > 0 && width > 0 && height < (1 << 24) && width < (1 << 24),
        "an image of " + std::to_string(height) + " x " + std::to_string(width) + " has no pixels, or too many");
    auto m = masks.to(at::kFloat).contiguous(), b = boxes.to(at::kFloat).contiguous();
    auto values = m.data_ptr<float>(), corners = b.data_ptr<float>();
    auto size = m.size(1);
    at::parallel_for(0, m.size(0), 1, [&](int64_t begin, int64_t end) {
        for (auto n = begin; n < end; n++) {
            auto box = corners + 4 * n;
            body(n, Mask{Axis(box[1], box[3], height, size), Axis(box[0], box[2], width, size), values + n * size * size, size});
        }
    });
}

at::Tensor paste_masks(const at::Tensor& masks, const at::Tensor& boxes, int64_t height, int64_t width) {
    auto output = at::zeros({masks.size(0), width, height}, masks.options().dtype(at::kFloat));
    auto target = output.data_ptr<float>();
    each(masks, boxes, height, width, [&](int64_t n, const Mask& mask) {
        std::vector<float> around(mask.size + 2);
        for (auto x = mask.across.low; mask.down.low < mask.down.high && x < mask.across.high; x++)
            column(mask, x - mask.across.low, around.data(), target + (n * width + x) * height + mask.down.low);
    });
    return output.transpose(1, 2);
}

std::tuple<at::Tensor, at::Tensor> paste_mask_runs(
    const at::Tensor& masks, const at::Tensor& boxes, int64_t height, int64_t width, double threshold) {
    if (!(threshold > 0)) throw Failure(ErrorKind::Value, "paste_mask_runs: the threshold has to be above 0");
    std::vector<std::vector<int64_t>> all(masks.dim() > 0 ? masks.size(0) : 0);
    each(masks, boxes, height, width,
        [&](int64_t n, const Mask& mask) { all[n] = runs(mask, height, width, static_cast<float>(threshold)); });
    auto options = masks.options().dtype(at::kLong);
    auto ends = at::empty({static_cast<int64_t>(all.size())}, options);
    int64_t total = 0;
    for (size_t n = 0; n < all.size(); n++) ends.data_ptr<int64_t>()[n] = total += static_cast<int64_t>(all[n].size());
    auto lengths = at::empty({total}, options);
    auto target = lengths.data_ptr<int64_t>();
    for (auto& one : all) target = std::copy(one.begin(), one.end(), target);
    return {lengths, ends};
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_FRAGMENT(tessera, library) {
    library.def("paste_masks(Tensor masks, Tensor boxes, int height, int width) -> Tensor");
    library.def("paste_mask_runs(Tensor masks, Tensor boxes, int height, int width, float threshold) -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(tessera, CPU, library) {
    library.impl("paste_masks", tessera::paste_masks);
    library.impl("paste_mask_runs", tessera::paste_mask_runs);
}
