// RoIAlign (He et al., 2017, arXiv:1703.06870, section 3): a grid of bins over each region of a map, each the mean of bilinear samples.
// The samples of a region stand in rows and columns, so that the mean is a product of two short weighted sums, one down and one
// across; sums of the weights are made once per region, not once per sample and channel. Reached as tessera::roi_align.
#include "clones.h"
#include "tessera.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <type_traits>

namespace tessera {
namespace {

struct Shape {
    int64_t batch, channels, height, width;  // of the maps
    int64_t rows, columns;                   // bins of a region
};

// How the bins of a region sum along one axis: bin b adds weight[e] times the pixel index[e] for e from start[b] to start[b + 1].
template <typename Acc> struct Axis {
    std::vector<int32_t> start, index;
    std::vector<Acc> weight;
    int32_t low = 0, count = 0;  // pixels low to low + count - 1 are read

    // Returns the number of samples of a bin.
    Acc plan(Acc from, Acc to, int64_t bins, int64_t size, int64_t sampling, bool aligned) {
        Acc extent = to - from;
        if (!aligned) extent = std::max(extent, Acc(1));
        const Acc bin = extent / static_cast<Acc>(bins);
        const auto samples = sampling > 0 ? sampling : static_cast<int64_t>(std::ceil(extent / static_cast<Acc>(bins)));
        const auto last = static_cast<Acc>(size - 1);
        start.push_back(0);
        int32_t lowest = std::numeric_limits<int32_t>::max(), highest = -1;
        for (int64_t b = 0; b < bins; b++) {
            const Acc base = from + static_cast<Acc>(b) * bin;
            int64_t first = 0, end = samples;
            // Of a region that leaves the map far behind, only the samples near the map are looked at.
            if (const Acc step = bin / static_cast<Acc>(samples); sampling <= 0 && step > 0) {
                const auto edge = static_cast<Acc>(samples);
                first = static_cast<int64_t>(std::min(std::max((-1 - base) / step - 2, Acc(0)), edge));
                end = static_cast<int64_t>(std::min(std::max((static_cast<Acc>(size) - base) / step + 2, Acc(0)), edge));
            }
            for (int64_t i = first; i < end; i++) {
                Acc at = base + (static_cast<Acc>(i) + Acc(0.5)) * bin / static_cast<Acc>(samples);
                if (at < -1 || at > static_cast<Acc>(size)) continue;
                at = std::min(std::max(at, Acc(0)), last);
                const auto pixel = static_cast<int32_t>(at);
                const Acc beyond = at - static_cast<Acc>(pixel);
                add(pixel, 1 - beyond);
                if (beyond > 0) add(pixel + 1, beyond);
                lowest = std::min(lowest, pixel);
                highest = std::max(highest, beyond > 0 ? pixel + 1 : pixel);
            }
            start.push_back(static_cast<int32_t>(index.size()));
        }
        if (highest >= 0) low = lowest, count = highest - lowest + 1;
        return static_cast<Acc>(samples);
    }

    // The same with as many pixels for every bin and bins in groups of `group`: what is added has no weight. Entry d of bin b is number
    // d * groups() * group + b.
    static constexpr int64_t group = 8;
    std::vector<int32_t> even_index;
    std::vector<Acc> even_weight;
    int64_t depth = 0;

    int64_t groups() const { return (static_cast<int64_t>(start.size()) + group - 2) / group; }

    void even() {
        const auto bins = static_cast<int64_t>(start.size()) - 1, lanes = groups() * group;
        for (int64_t b = 0; b < bins; b++) depth = std::max<int64_t>(depth, start[b + 1] - start[b]);
        even_index.assign(depth * lanes, low);
        even_weight.assign(depth * lanes, Acc(0));
        for (int64_t b = 0; b < bins; b++)
            for (int64_t d = 0; d < depth && start[b] < start[b + 1]; d++) {
                const auto e = std::min<int64_t>(start[b] + d, start[b + 1] - 1);
                even_index[d * lanes + b] = index[e];
                if (start[b] + d == e) even_weight[d * lanes + b] = weight[e];
            }
    }

private:
    // Samples ascend: a pixel that is known to the bin is one of the last two.
    void add(int32_t pixel, Acc share) {
        for (auto e = static_cast<int32_t>(index.size()) - 1, stop = std::max(start.back(), e - 1); e >= stop; e--)
            if (index[e] == pixel) {
                weight[e] += share;
                return;
            }
        index.push_back(pixel);
        weight.push_back(share);
    }
};

template <typename Acc> struct Region {
    int64_t image;
    Axis<Acc> down, across;
    Acc share;  // of a sample in its bin; not a number where the region is none
};

// T: the type of the maps, Out: that of the result.
template <typename T, typename Acc, typename Out> struct Pass {
    Shape at;
    const Region<Acc>* regions;
    const int64_t* of_image;     // the regions, image by image,
    const int64_t* image_start;  // and where each image's begin
    int64_t parts;               // of an image's regions, for the forward pass
    const T* maps;               // forward
    Out* output;                 // forward
    const T* gradient;           // backward: of the output
    Acc* map_gradient;           // backward: zero at first
};

constexpr int64_t part = 64;   // regions of a unit of the forward pass
constexpr int64_t block = 16;  // pixels that are summed at a time

// What a bin takes of each column of the map, for the columns that the region reads and some more where the memory has them.
template <typename T, typename Acc>
TESSERA_INLINE void sum_rows(
    const T* plane, const T* limit, int64_t stride, const Axis<Acc>& down, int64_t row, int32_t width, Acc* __restrict sums) {
    const auto begin = down.start[row], end = down.start[row + 1];
    const auto safe = limit - plane - (down.low + down.count - 1) * stride;
    int32_t x = 0;
    for (; x < width && x + block <= safe; x += block) {
        Acc sum[block] = {};
        for (auto e = begin; e < end; e++) {
            const T* __restrict pixels = plane + down.index[e] * stride + x;
            const Acc share = down.weight[e];
#pragma omp simd
            for (int64_t k = 0; k < block; k++) sum[k] += share * static_cast<Acc>(pixels[k]);
        }
        for (int64_t k = 0; k < block; k++) sums[x + k] = sum[k];
    }
    for (; x < width; x++) {
        Acc sum = 0;
        for (auto e = begin; e < end; e++) sum += down.weight[e] * static_cast<Acc>(plane[down.index[e] * stride + x]);
        sums[x] = sum;
    }
}

// One unit is a channel of an image for some of the image's regions: the plane stays in the cache while they pass over it.
template <typename T, typename Acc, typename Out>
TESSERA_INLINE void forward_units(const Pass<T, Acc, Out>& pass, int64_t begin, int64_t end) {
    const auto& s = pass.at;
    constexpr auto group = Axis<Acc>::group;
    const auto limit = pass.maps + s.batch * s.channels * s.height * s.width;
    std::vector<Acc> line(s.width + block);
    for (int64_t unit = begin; unit < end; unit++) {
        const auto image = unit / pass.parts / s.channels, channel = unit / pass.parts % s.channels;
        const auto first = pass.image_start[image] + unit % pass.parts * part, last = std::min(first + part, pass.image_start[image + 1]);
        for (auto k = first; k < last; k++) {
            const auto& region = pass.regions[pass.of_image[k]];
            const auto &down = region.down, &across = region.across;
            auto plane = pass.maps + (image * s.channels + channel) * s.height * s.width + across.low;
            const int32_t* indices = across.even_index.data();
            const Acc *weights = across.even_weight.data(), *sums = line.data() - across.low;
            const auto groups = across.groups(), depth = across.depth;
            auto target = pass.output + (pass.of_image[k] * s.channels + channel) * s.rows * s.columns;
            for (int64_t row = 0; row < s.rows; row++, target += s.columns) {
                sum_rows(plane, limit, s.width, down, row, across.count, line.data());
                for (int64_t g = 0; g < groups; g++) {
                    Acc bins[group] = {};
                    for (int64_t d = 0; d < depth; d++) {
                        const int32_t* __restrict index = indices + (d * groups + g) * group;
                        const Acc* __restrict weight = weights + (d * groups + g) * group;
#pragma omp simd
                        for (int64_t k = 0; k < group; k++) bins[k] += weight[k] * sums[index[k]];
                    }
                    const auto count = std::min(group, s.columns - g * group);
                    for (int64_t k = 0; k < count; k++) target[g * group + k] = static_cast<Out>(bins[k] * region.share);
                }
            }
        }
    }
}

// One unit is a channel of an image: it alone writes that plane, region after region, so nothing races and the order of the sums,
// thus every bit of the result, does not depend on the number of threads.
template <typename T, typename Acc, typename Out>
TESSERA_INLINE void backward_units(const Pass<T, Acc, Out>& pass, int64_t begin, int64_t end) {
    const auto& s = pass.at;
    std::vector<Acc> line(s.width);
    for (int64_t unit = begin; unit < end; unit++) {
        const auto image = unit / s.channels, channel = unit % s.channels;
        for (auto k = pass.image_start[image]; k < pass.image_start[image + 1]; k++) {
            const auto& region = pass.regions[pass.of_image[k]];
            const auto &down = region.down, &across = region.across;
            auto plane = pass.map_gradient + unit * s.height * s.width + across.low;
            const int32_t *starts = across.start.data(), *index = across.index.data();
            const Acc* weights = across.weight.data();
            auto source = pass.gradient + (pass.of_image[k] * s.channels + channel) * s.rows * s.columns;
            const int32_t width = across.count;
            for (int64_t row = 0; row < s.rows; row++, source += s.columns) {
                if (down.start[row] == down.start[row + 1]) continue;
                Acc* __restrict sums = line.data();
                std::fill(sums, sums + width, Acc(0));
                for (int64_t column = 0; column < s.columns; column++) {
                    const Acc share = static_cast<Acc>(source[column]) * region.share;
                    for (auto e = starts[column]; e < starts[column + 1]; e++) sums[index[e] - across.low] += weights[e] * share;
                }
                for (auto e = down.start[row]; e < down.start[row + 1]; e++) {
                    Acc* __restrict pixels = plane + down.index[e] * s.width;
                    const Acc share = down.weight[e];
#pragma omp simd
                    for (int32_t x = 0; x < width; x++) pixels[x] += share * sums[x];
                }
            }
        }
    }
}

// Plain functions of one type each, as clones have to be.
#define TESSERA_ROI_ALIGN(T, Acc)                                                                                                          \
    TESSERA_CLONES void forward(const Pass<T, Acc, T>& pass, int64_t begin, int64_t end) { forward_units(pass, begin, end); }              \
    TESSERA_CLONES void backward(const Pass<T, Acc, T>& pass, int64_t begin, int64_t end) { backward_units(pass, begin, end); }
TESSERA_ROI_ALIGN(float, float)
TESSERA_ROI_ALIGN(double, double)
TESSERA_ROI_ALIGN(at::BFloat16, float)
// Bit masks have no gradient.
TESSERA_CLONES void forward(const Pass<uint8_t, float, float>& pass, int64_t begin, int64_t end) { forward_units(pass, begin, end); }

// Calls the body with the element type and the type that it accumulates in.
template <typename Body> void typed(at::ScalarType type, Body&& body) {
    switch (type) {
    case at::kFloat: return body(float(), float());
    case at::kDouble: return body(double(), double());
    case at::kBFloat16: return body(at::BFloat16(), float());
    default: throw Failure(ErrorKind::Type, std::string("roi_align takes float32, float64 and bfloat16, not ") + c10::toString(type));
    }
}

std::string text(at::IntArrayRef shape) {
    std::ostringstream out;
    out << shape;
    return out.str();
}

void require(bool right, const std::string& message) {
    if (!right) throw Failure(ErrorKind::Shape, "roi_align: " + message);
}

Shape shape(at::IntArrayRef maps, const at::Tensor& rois, int64_t height, int64_t width) {
    require(maps.size() == 4, "the maps have to be [B, C, H, W], they are " + text(maps));
    require(rois.dim() == 2 && rois.size(1) == 5, "the regions have to be [n, 5] (image, x1, y1, x2, y2), they are " + text(rois.sizes()));
    require(maps[2] > 0 && maps[3] > 0 && maps[2] < (1 << 24) && maps[3] < (1 << 24), "maps of " + text(maps) + " have nothing to sample");
    require(height > 0 && width > 0, "there have to be bins, not " + std::to_string(height) + " x " + std::to_string(width));
    return {maps[0], maps[1], maps[2], maps[3], height, width};
}

template <typename Acc>
std::vector<Region<Acc>> plan(const Shape& s, const at::Tensor& rois, double scale_, int64_t sampling, bool aligned) {
    auto numbers = rois.to(c10::CppTypeToScalarType<Acc>::value).contiguous();
    auto values = numbers.template data_ptr<Acc>();
    const auto scale = static_cast<Acc>(scale_), offset = static_cast<Acc>(aligned ? 0.5 : 0);
    std::vector<Region<Acc>> regions(numbers.size(0));
    for (int64_t n = 0; n < numbers.size(0); n++) {
        auto image = values[5 * n];
        if (!(image >= 0 && image < static_cast<Acc>(s.batch) && image == std::floor(image))) {
            std::ostringstream out;
            out << "roi_align: region " << n << " is of image " << image << ", there are " << s.batch;
            throw Failure(ErrorKind::Index, out.str());
        }
        regions[n].image = static_cast<int64_t>(image);
        for (int corner = 1; corner < 5; corner++)
            if (std::isfinite(values[5 * n + corner]) && !(std::abs(values[5 * n + corner] * scale) < Acc(1e7))) {
                std::ostringstream out;
                out << "roi_align: region " << n << " reaches to " << values[5 * n + corner] << ", far from any image";
                throw Failure(ErrorKind::Value, out.str());
            }
    }
    at::parallel_for(0, numbers.size(0), 64, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; n++) {
            auto roi = values + 5 * n;
            auto& region = regions[n];
            if (!std::isfinite(roi[1] + roi[2] + roi[3] + roi[4])) {
                region.down.start.assign(s.rows + 1, 0);
                region.across.start.assign(s.columns + 1, 0);
                region.share = std::numeric_limits<Acc>::quiet_NaN();
                continue;
            }
            auto x = region.across.plan(roi[1] * scale - offset, roi[3] * scale - offset, s.columns, s.width, sampling, aligned);
            auto y = region.down.plan(roi[2] * scale - offset, roi[4] * scale - offset, s.rows, s.height, sampling, aligned);
            region.across.even();
            region.share = 1 / std::max(y * x, Acc(1));
        }
    });
    return regions;
}

// The numbers of the regions image by image, and where each image's begin.
template <typename Acc>
std::pair<std::vector<int64_t>, std::vector<int64_t>> by_image(const std::vector<Region<Acc>>& regions, int64_t batch) {
    std::vector<int64_t> starts(batch + 1), order(regions.size());
    for (auto& region : regions) starts[region.image + 1]++;
    for (int64_t image = 0; image < batch; image++) starts[image + 1] += starts[image];
    auto next = starts;
    for (size_t n = 0; n < regions.size(); n++) order[next[regions[n].image]++] = static_cast<int64_t>(n);
    return {std::move(order), std::move(starts)};
}

at::Tensor roi_align_cpu(
    const at::Tensor& maps, const at::Tensor& rois, int64_t height, int64_t width, double scale, int64_t sampling_ratio, bool aligned) {
    auto s = shape(maps.sizes(), rois, height, width);
    auto m = maps.contiguous();
    auto bits = m.scalar_type() == at::kByte;
    auto output = at::empty({rois.size(0), s.channels, height, width}, bits ? m.options().dtype(at::kFloat) : m.options());
    auto run = [&](auto element, auto accumulator, auto result) {
        using T = decltype(element);
        using Acc = decltype(accumulator);
        using Out = decltype(result);
        auto regions = plan<Acc>(s, rois, scale, sampling_ratio, aligned);
        auto [order, starts] = by_image(regions, s.batch);
        int64_t largest = 0;
        for (int64_t image = 0; image < s.batch; image++) largest = std::max(largest, starts[image + 1] - starts[image]);
        Pass<T, Acc, Out> pass{s, regions.data(), order.data(), starts.data(), (largest + part - 1) / part, m.template data_ptr<T>(),
            output.template data_ptr<Out>(), nullptr, nullptr};
        // Some tenth of a millisecond of work at least per thread.
        auto grain = std::max<int64_t>(1, 65536 / (height * width * std::min(std::max(largest, int64_t(1)), part)));
        at::parallel_for(0, s.batch * s.channels * pass.parts, grain, [&](int64_t begin, int64_t end) { forward(pass, begin, end); });
    };
    if (bits)
        run(uint8_t(), float(), float());
    else
        typed(m.scalar_type(), [&](auto element, auto accumulator) { run(element, accumulator, element); });
    return output;
}

at::Tensor roi_align_backward_cpu(
    const at::Tensor& gradient, const at::Tensor& rois, at::IntArrayRef size, double scale, int64_t sampling_ratio, bool aligned) {
    require(gradient.dim() == 4, "the gradient has to be [n, C, h, w], it is " + text(gradient.sizes()));
    auto s = shape(size, rois, gradient.size(2), gradient.size(3));
    require(gradient.size(0) == rois.size(0) && gradient.size(1) == s.channels,
        "a gradient of " + text(gradient.sizes()) + " is of other regions or maps");
    auto g = gradient.contiguous();
    at::Tensor result;
    typed(g.scalar_type(), [&](auto element, auto accumulator) {
        using T = decltype(element);
        using Acc = decltype(accumulator);
        auto regions = plan<Acc>(s, rois, scale, sampling_ratio, aligned);
        auto [order, starts] = by_image(regions, s.batch);
        result = at::zeros(size, g.options().dtype(c10::CppTypeToScalarType<Acc>::value));
        Pass<T, Acc, T> pass{
            s, regions.data(), order.data(), starts.data(), 1, nullptr, nullptr, g.template data_ptr<T>(), result.template data_ptr<Acc>()};
        at::parallel_for(0, s.batch * s.channels, 1, [&](int64_t begin, int64_t end) { backward(pass, begin, end); });
    });
    return result.to(g.scalar_type());
}

using ForwardType = decltype(roi_align_cpu);
using BackwardType = decltype(roi_align_backward_cpu);

struct RoiAlign : torch::autograd::Function<RoiAlign> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& maps, const at::Tensor& rois, int64_t height,
        int64_t width, double scale, int64_t sampling_ratio, bool aligned) {
        context->save_for_backward({rois});
        context->saved_data["size"] = maps.sizes().vec();
        context->saved_data["scale"] = scale;
        context->saved_data["sampling_ratio"] = sampling_ratio;
        context->saved_data["aligned"] = aligned;
        at::AutoDispatchBelowADInplaceOrView below;
        static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::roi_align", "").typed<ForwardType>();
        return op.call(maps, rois, height, width, scale, sampling_ratio, aligned);
    }

    static torch::autograd::variable_list backward(
        torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
        auto& data = context->saved_data;
        static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::roi_align_backward", "").typed<BackwardType>();
        auto maps = op.call(gradients[0], context->get_saved_variables()[0], data["size"].toIntVector(), data["scale"].toDouble(),
            data["sampling_ratio"].toInt(), data["aligned"].toBool());
        at::Tensor none;
        return {maps, none, none, none, none, none, none};
    }
};

at::Tensor roi_align_autograd(
    const at::Tensor& maps, const at::Tensor& rois, int64_t height, int64_t width, double scale, int64_t sampling_ratio, bool aligned) {
    return RoiAlign::apply(maps, rois, height, width, scale, sampling_ratio, aligned);
}

// The backward has no backward: a graph through it would silently lose its gradient, so it is refused.
at::Tensor roi_align_backward_autograd(
    const at::Tensor& gradient, const at::Tensor& rois, at::IntArrayRef size, double scale, int64_t sampling_ratio, bool aligned) {
    if (c10::GradMode::is_enabled() && gradient.requires_grad())
        throw Failure(ErrorKind::NotImplemented, "gradients of gradients of roi_align: use the plain composition for them");
    at::AutoDispatchBelowADInplaceOrView below;
    static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::roi_align_backward", "").typed<BackwardType>();
    return op.call(gradient, rois, size, scale, sampling_ratio, aligned);
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_FRAGMENT(tessera, library) {
    library.def("roi_align(Tensor maps, Tensor rois, int height, int width, float scale, int sampling_ratio, bool aligned) -> Tensor");
    library.def("roi_align_backward(Tensor gradient, Tensor rois, int[] size, float scale, int sampling_ratio, bool aligned) -> Tensor");
}

TORCH_LIBRARY_IMPL(tessera, CPU, library) {
    library.impl("roi_align", tessera::roi_align_cpu);
    library.impl("roi_align_backward", tessera::roi_align_backward_cpu);
}

TORCH_LIBRARY_IMPL(tessera, Autograd, library) {
    library.impl("roi_align", tessera::roi_align_autograd);
    library.impl("roi_align_backward", tessera::roi_align_backward_autograd);
}
